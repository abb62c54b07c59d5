from __future__ import annotations

import pytest

from worker.mail.message.parse_parameters import read_parameters


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"attachment; filename=my report 2026.pdf", "my report 2026.pdf"),
        (b'attachment; filename="C:\\TEMP\\scan.pdf"', "C:\\TEMP\\scan.pdf"),
        (b'attachment; filename="a; b.pdf"; size=1', "a; b.pdf"),
        (b"attachment; filename=G.pdf; filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf", "Größe.pdf"),
        (b"attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf; filename=G.pdf", "Größe.pdf"),
        (b"attachment; filename*0=a; filename*1=b; filename*2=.pdf", "ab.pdf"),
        (b"attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        (b"attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac.pdf", "€.pdf"),
        (b"attachment; filename*0*=utf-8''%e2%82%ac; filename*1=%41.pdf", "€%41.pdf"),
        (b"attachment; filename*=koi8-r'ru'%c1.pdf", "\u0430.pdf"),
        (b"attachment; filename*=unheard-of''a%e9.pdf", "aé.pdf"),
        (b"attachment; filename=a.pdf; filename=b.pdf", "a.pdf"),
        (b"attachment;FileName = a.pdf", "a.pdf"),
        (b"filename=a.pdf", "a.pdf"),
        (b'attachment; filename="never closed.pdf', "never closed.pdf"),
        (b'attachment filename="a b.pdf"', "a b.pdf"),
        (b'attachment, filename="a.pdf"', "a.pdf"),
        (b'attachment; size="1" filename="a.pdf"', "a.pdf"),
        (b'attachment; filename="a=b, c=d.pdf"', "a=b, c=d.pdf"),
        (b'attachment (file); filename="a.pdf" (its name); size=1', "a.pdf"),
        (b"attachment; (its name) filename=a.pdf", "a.pdf"),
        (b'attachment; filename="report (1).pdf"', "report (1).pdf"),
        (b"attachment; filename=report (1).pdf", "report (1).pdf"),
        (b"attachment; filename=\"utf-8''Gr%C3%B6%C3%9Fe.pdf\"", "Größe.pdf"),
        (b"attachment; filename*0=utf-8'de'Gr%C3%B6; filename*1=%C3%9Fe.pdf", "Größe.pdf"),
        (b"attachment; filename=\"john's 5'50%20.pdf\"", "john's 5'50%20.pdf"),
    ],
)
def test_a_file_name_is_read_as_senders_write_it(value: bytes, name: str) -> None:
    assert read_parameters(value)["filename"] == name


@pytest.mark.parametrize(
    "oddity",
    [b"name*=a; name*0=b", b"name*" + b"9" * 5_000 + b"=a", b";;; ; =", b'"', b"name*x*y=1", b"*=1; *0=2"],
)
def test_an_odd_parameter_does_not_hide_the_others(oddity: bytes) -> None:
    assert read_parameters(b"multipart/mixed; boundary=b; " + oddity)["boundary"] == "b"


def test_a_type_without_semicolons_has_its_parameters() -> None:
    parameters = read_parameters(b"text/plain charset=utf-8 format=flowed")

    assert parameters == {"charset": "utf-8", "format": "flowed"}
