from __future__ import annotations

import pytest

from worker.models.base import Server


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Mail.Example.COM", "mail.example.com"),
        ("mail.example.com.", "mail.example.com"),
        (" mail.example.com ", "mail.example.com"),
        ("[2001:DB8:0:0::1]", "2001:db8::1"),
        ("2001:db8:0000::0001", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("BÜCHER.example.", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("[::FFFF:192.0.2.1]", "192.0.2.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("08.example", "08.example"),
        ("256.1.1.1", "256.1.1.1"),
    ],
)
def test_a_server_has_one_spelling(written: str, host: str) -> None:
    assert Server.model_validate({"host": written}).host == host


@pytest.mark.parametrize(
    "host",
    [
        ".",
        "a b",
        "mail.example.com:25",
        "u@h",
        "http://h",
        "[1:2]",
        "::g",
        "a..",
        "a..b",
        "a\u2024b",
        "a%00",
        "a#b",
        "*.b",
        "::1%",
    ],
)
def test_an_invalid_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="must be a host name or an IP address alone"):
        Server.model_validate({"host": host})
