from __future__ import annotations

from worker.mail.message.parse import parse_email, parse_headers
from worker.models.email import DeletedEmail, FoundEmail, MovedEmail

RAW = b"""\
Received: by mx.example.com; Mon, 19 Aug 2024 09:00:00 +0200
From: Ann <ann@example.com>
To: bob@example.com
Cc: carol@example.com
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: Mon, 19 Aug 2024 08:54:28 +0200
Message-ID: <1@example.com>

hello
"""


def test_a_read_mail_has_all_that_the_documentation_names() -> None:
    assert parse_email(RAW).to_variables() == {
        "messageId": "<1@example.com>",
        "fromAddress": "ann@example.com",
        "headers": [
            {"header": "Received", "value": "by mx.example.com; Mon, 19 Aug 2024 09:00:00 +0200"},
            {"header": "From", "value": "Ann <ann@example.com>"},
            {"header": "To", "value": "bob@example.com"},
            {"header": "Cc", "value": "carol@example.com"},
            {"header": "Subject", "value": "Grüße"},
            {"header": "Date", "value": "Mon, 19 Aug 2024 08:54:28 +0200"},
            {"header": "Message-ID", "value": "<1@example.com>"},
        ],
        "subject": "Grüße",
        "size": len(RAW),
        "plainTextBody": "hello\n",
        "htmlBody": None,
        "receivedDateTime": "2024-08-19T07:00:00Z",
        "sentDate": "2024-08-19T06:54:28Z",
        "toAddresses": ["bob@example.com"],
        "ccAddresses": ["carol@example.com"],
        "attachments": [],
    }


def test_a_search_by_sender_sees_the_name_as_well_as_the_address() -> None:
    headers = parse_headers(b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>, b@example.com\n\n")

    assert headers.from_text == "Jürgen <j@example.com>, b@example.com"
    assert headers.from_address == "j@example.com"


def test_the_other_results_have_the_names_that_the_documentation_gives() -> None:
    found = FoundEmail(message_id="1", subject="x")
    deleted = DeletedEmail(deleted=True, message_id="1")
    moved = MovedEmail(message_id="1", from_folder="INBOX", to_folder="Done")

    assert found.to_variables() == {"messageId": "1", "subject": "x"}
    assert deleted.to_variables() == {"deleted": True, "messageId": "1"}
    assert moved.to_variables() == {"messageId": "1", "from": "INBOX", "to": "Done"}
