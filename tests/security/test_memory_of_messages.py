"""What one hostile email takes in memory: at most ten times the email and 50 MB above an idle process.

Each is read, its files are decoded and its text is searched in a process of its own. Its peak is VmHWM, as
`ru_maxrss` starts from the peak of the parent.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from worker.mail.message.compose_parts import text_part
from worker.masking import Mask, excerpt, masking

MEGABYTE = 1_000_000
SIZE = 4 * MEGABYTE
FROM = b"From: a@example.org\r\n"
QUOTED = FROM + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
MIXED = FROM + b"Content-Type: multipart/mixed; boundary=b\r\n"
EMOJI = "\U0001f600".encode()


def typed(content_type: bytes) -> bytes:
    return FROM + b"Content-Type: " + content_type + b"\r\n\r\n"


# How the email starts, what is repeated, how it ends.
SHAPES = {
    "quoted-printable of equals signs": (QUOTED, b"=" * 74 + b"\r\n", b""),
    "quoted-printable in one line": (QUOTED, b"=", b""),
    "quoted-printable of blanks": (QUOTED, b" \r\n", b""),
    "base64 in chunks": (FROM + b"Content-Transfer-Encoding: base64\r\n\r\n", b"AA==\r\n", b""),
    "text with one wide character": (typed(b"text/plain; charset=utf-8") + EMOJI, b"abc\r\n", b""),
    "NUL": (typed(b"text/plain"), b"\0", b""),
    "half characters": (typed(b"text/plain; charset=utf-7"), b"+2AA- ", b""),
    "ISO-2022-JP": (typed(b"text/plain; charset=iso-2022-jp"), b"\x1b(I1\x1b(B", b""),
    "a field in folded lines": (FROM + b"Subject: x", b"\r\n a", b"\r\n\r\nbody\r\n"),
    "fields": (FROM, b"a:\n", b"\n\nx"),
    "encoded words": (FROM + b"Subject: ", b"=?utf-8?b?4p?= ", b"\r\n\r\nx"),
    "one encoded word": (FROM + b"Subject: =?utf-8?q?", b"=", b"?=\r\n\r\nx"),
    "addresses": (FROM + b"To: ", b"a@b,", b"\r\n\r\nx"),
    "segments of a file name": (FROM + b"Content-Type: text/plain", b"; name*1=x", b"\r\n\r\nx"),
    "parameters of parts": (
        MIXED,
        b"\r\n--b\r\nContent-Type: text/plain"
        + b"".join(b"; x%d=y" % n for n in range(1_000))
        + b"\r\n\r\nx",
        b"\r\n--b--\r\n",
    ),
    "parts": (MIXED, b"\r\n--b\r\n\r\nx", b"\r\n--b--\r\n"),
    "levels": (FROM, b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b""),
    "attached messages": (FROM, b"Content-Type: message/rfc822\n\n", b""),
}

READ = """
import json, sys
from pathlib import Path
from worker.errors import ResultTooLarge
from worker.mail.message.parse import parse_email, searchable_texts
from worker.mail.message.parse_attachments import read_attachments
from worker.mail.message.truncation import truncate_result
from worker.mail.local_search import find_values

def peak():
    status = Path("/proc/self/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024

idle = peak()
raw = Path(sys.argv[1]).read_bytes()
result = parse_email(raw)
try:
    json.dumps(truncate_result(result, 3_000_000).to_variables())
except ResultTooLarge:
    pass
for file in read_attachments(raw):
    pass
find_values(["nowhere"], searchable_texts(raw))
print(peak() - idle)
"""


@pytest.mark.parametrize("shape", SHAPES)
def test_an_email_takes_at_most_ten_times_its_size_and_50_mb(shape: str, tmp_path: Path) -> None:
    start, repeated, end = SHAPES[shape]
    assert_bounded(start + repeated * (SIZE // len(repeated)) + end, tmp_path)


def test_a_signed_email_takes_at_most_ten_times_its_size_and_50_mb(tmp_path: Path) -> None:
    chunk = b"\x04\x01x"  # an octet string of one octet, a million times: BER allows that
    data = b"\x06\x09" + bytes.fromhex("2a864886f70d010701") + b"\xa0\x80\x24\x80" + chunk * 1_000_000
    signed = b"\x30\x80\x02\x01\x01\x31\x00\x30\x80" + data + b"\x00" * 6 + b"\x31\x00\x00\x00"
    der = b"\x30\x80\x06\x09" + bytes.fromhex("2a864886f70d010702") + b"\xa0\x80" + signed + b"\x00" * 4
    head = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert_bounded(FROM + head + base64.encodebytes(der), tmp_path)


@pytest.mark.parametrize("text", ["\n", "\r", ".\r\n", "é\n", "\n a"])
def test_a_text_to_be_sent_takes_at_most_ten_times_its_size(text: str) -> None:
    long = text * (MEGABYTE // len(text.encode()))
    tracemalloc.start()
    text_part(long, "plain")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most <= 10 * MEGABYTE


@pytest.mark.parametrize("piece", ["s3cret-word ", "%733cret-word", "czNjcmV0LXdvcmQ=", "%41", "\u65e5\x01"])
def test_a_text_that_is_masked_takes_at_most_thirty_times_its_size(piece: str) -> None:
    mask = Mask()
    mask.learn("s3cret-word")
    long = piece * (MEGABYTE // len(piece.encode()))
    tracemalloc.start()
    with masking(mask):
        excerpt(long, 200)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most <= 30 * MEGABYTE


def assert_bounded(raw: bytes, folder: Path) -> None:
    path = folder / "email"
    path.write_bytes(raw)
    run = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)

    assert int(run.stdout) <= 10 * len(raw) + 50 * MEGABYTE
