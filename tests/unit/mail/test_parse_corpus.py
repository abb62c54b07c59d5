"""Each mail in tests/data/mails is read as the file beside it says."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from worker.mail.message.parse import parse_email, parse_headers, searchable_texts
from worker.mail.message.parse_attachments import read_attachments
from worker.models.email import format_utc

CORPUS = Path(__file__).parents[2] / "data" / "mails"
MAILS = sorted(CORPUS.glob("*.eml"))

# What a mail does not say is expected to be so.
ABSENT: dict[str, Any] = {
    "messageId": None,
    "fromAddress": None,
    "subject": None,
    "plainTextBody": None,
    "htmlBody": None,
    "sentDate": None,
    "receivedDate": None,
    "toAddresses": [],
    "ccAddresses": [],
    "smime": None,
}


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_a_mail_of_the_corpus_is_read_as_its_json_says(path: Path) -> None:
    raw = path.read_bytes()
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["reading"]
    headers = expected.pop("headers", None)
    searchable = expected.pop("searchable", None)
    attachments = expected.pop("attachments", None)

    assert reading_of(raw) == ABSENT | expected
    if headers is not None:
        assert [[each.header, each.value] for each in parse_email(raw).headers] == headers
    if searchable is not None:
        assert list(searchable_texts(raw)) == searchable
    if attachments is not None:
        assert [file.name for file in read_attachments(raw)] == attachments


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_the_headers_alone_say_the_same_as_the_whole_mail(path: Path) -> None:
    raw = path.read_bytes()

    summary, mail = parse_headers(raw), parse_email(raw)
    for name in ("message_id", "from_address", "subject", "sent_date", "to_addresses", "cc_addresses"):
        assert getattr(mail, name) == getattr(summary, name)
    assert mail.received_date_time == summary.received_date


def test_every_mail_of_the_corpus_has_its_reading_and_the_other_way_round() -> None:
    assert len(MAILS) >= 60
    assert {path.stem for path in MAILS} == {path.stem for path in CORPUS.glob("*.json")}


def reading_of(raw: bytes) -> dict[str, Any]:
    mail = parse_email(raw)
    assert mail.size == len(raw)
    return {
        "messageId": mail.message_id,
        "fromAddress": mail.from_address,
        "subject": mail.subject,
        "plainTextBody": mail.plain_text_body,
        "htmlBody": mail.html_body,
        "sentDate": in_utc(mail.sent_date),
        "receivedDate": in_utc(mail.received_date_time),
        "toAddresses": list(mail.to_addresses),
        "ccAddresses": list(mail.cc_addresses),
        "smime": mail.smime,
    }


def in_utc(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)
