"""What operations take and give beside the exchange, by the standard library alone and as little as can be.

Nothing is checked, limited, masked or remembered; a mail that is not quite right raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message
from email.mime.text import MIMEText
from email.parser import BytesHeaderParser
from email.utils import formatdate, getaddresses, make_msgid, parseaddr, parsedate_to_datetime
from typing import Any

_FETCHED = re.compile(
    rb'FETCH \(UID (\d+)(?: RFC822\.SIZE (\d+))?(?: INTERNALDATE "([^"]+)")? BODY\[[^\]]*\] \{(\d+)\}\r\n'
)
_CRLF = policy.compat32.clone(linesep="\r\n")
_HEADERS = BytesHeaderParser()

Row = dict[str, Any]


def compose(parameters: Mapping[str, Any]) -> tuple[bytes, bytes, Row]:
    """Return the commands for a mail with a text, the mail with its end, and what `email.smtp.send` gives."""
    mail = MIMEText(parameters["body"], "plain", "utf-8")
    mail["Date"] = formatdate()
    mail["From"] = parameters["from"]
    mail["To"] = ", ".join(parameters["to"])
    mail["Subject"] = parameters["subject"]
    mail["Message-ID"] = message_id = make_msgid(domain="example.org")
    recipients = "".join(f"RCPT TO:<{parseaddr(address)[1]}>\r\n" for address in parameters["to"])
    offer = f"MAIL FROM:<{parseaddr(parameters['from'])[1]}>\r\n{recipients}DATA\r\n".encode()
    content = mail.as_bytes(policy=_CRLF).replace(b"\r\n.", b"\r\n..")
    sent = {"subject": parameters["subject"], "sent": True, "messageId": message_id}
    return offer, content + b".\r\n", sent


def listed(answer: bytes) -> dict[bytes, Row]:
    """Return the rows of `email.imap.list` from a FETCH answer, by UID."""
    return {
        uid: listed_row(header, int(size), _iso(datetime.strptime(received.decode(), "%d-%b-%Y %H:%M:%S %z")))
        for uid, size, received, header in _fetched(answer)
    }


def listed_row(header: bytes, size: int, received: str | None) -> Row:
    """Return one row of a list."""
    mail = _HEADERS.parsebytes(header)
    sent = _sent(mail)
    return {
        "messageId": mail["Message-ID"],
        "fromAddress": parseaddr(mail["From"])[1],
        "subject": _decoded(mail["Subject"]),
        "size": size,
        "receivedDateTime": received or sent,
        "sentDate": sent,
    }


def found(answer: bytes) -> list[Row]:
    """Return the rows of `email.imap.search`."""
    mails = (_HEADERS.parsebytes(header) for *_, header in _fetched(answer))
    return [{"messageId": mail["Message-ID"], "subject": _decoded(mail["Subject"])} for mail in mails]


def read(answer: bytes) -> Row:
    """Return what `email.imap.read` gives of a mail of one text."""
    ((_, _, received, raw),) = _fetched(answer)
    mail = message_from_bytes(raw)
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)  # noqa: S101 - of a mail of one part
    return {
        "messageId": mail["Message-ID"],
        "fromAddress": parseaddr(mail["From"])[1],
        "headers": [{"header": name, "value": _decoded(value)} for name, value in mail.items()],
        "subject": _decoded(mail["Subject"]),
        "size": len(raw),
        "plainTextBody": body.decode(mail.get_content_charset("utf-8")).replace("\r\n", "\n"),
        "htmlBody": None,
        "receivedDateTime": _iso(datetime.strptime(received.decode(), "%d-%b-%Y %H:%M:%S %z")),
        "sentDate": _sent(mail),
        "toAddresses": [address for _, address in getaddresses(mail.get_all("To", []))],
        "ccAddresses": [address for _, address in getaddresses(mail.get_all("Cc", []))],
    }


def _fetched(answer: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """Yield UID, size, INTERNALDATE and literal of each message."""
    position = 0
    while match := _FETCHED.search(answer, position):
        position = match.end() + int(match[4])
        yield match[1], match[2], match[3], answer[match.end() : position]


def _sent(mail: Message) -> str:
    return _iso(parsedate_to_datetime(mail["Date"]))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _decoded(value: str) -> str:
    return str(make_header(decode_header(value)))
