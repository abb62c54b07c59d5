"""What a team would write itself: pyzeebe, imap_tools, poplib and aiosmtplib, a new sign-in for each job.

`python -m bench.plain_worker GATEWAY` serves the job types `plain.imap.list` and so on; each function takes
the worker's three variables. Connections are in clear text: the servers are on this machine.
"""

from __future__ import annotations

import asyncio
import poplib
import sys
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

import aiosmtplib
from imap_tools import AND, H, MailBoxUnencrypted, MailMessage
from pyzeebe import ZeebeWorker, create_insecure_channel

Variables = dict[str, Any]
# As many at the same time as the worker's own default (EMAIL_WORKER_MAX_JOBS).
_MAX_JOBS = 64
_TIMEOUT_SECONDS = 60


def list_imap(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """The newest emails of INBOX."""
    with _mailbox(authentication, server) as mailbox:
        emails = mailbox.fetch(
            limit=parameters["maxToBeRead"], reverse=True, headers_only=True, bulk=True, mark_seen=False
        )
        return {"result": [_row(email) for email in emails]}


def search_imap(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """Emails with a text in their subject."""
    with _mailbox(authentication, server) as mailbox:
        criteria = AND(subject=parameters["criteria"]["value"])
        emails = mailbox.fetch(criteria, headers_only=True, bulk=True, mark_seen=False)
        return {"result": [_row(email) for email in emails]}


def read_imap(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """One email, found by its Message-ID."""
    with _mailbox(authentication, server) as mailbox:
        email = next(mailbox.fetch(_is(parameters["messageId"]), mark_seen=False))
        return {"result": {**_row(email), "plainTextBody": email.text, "htmlBody": email.html}}


def move_imap(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """One email into another folder."""
    with _mailbox(authentication, server) as mailbox:
        mailbox.move(mailbox.uids(_is(parameters["messageId"])), parameters["toFolder"])
        return {"result": {"moved": True}}


def delete_imap(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """One email away."""
    with _mailbox(authentication, server) as mailbox:
        mailbox.delete(mailbox.uids(_is(parameters["messageId"])))
        return {"result": {"deleted": True}}


async def send_smtp(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """One email to all recipients."""
    email = EmailMessage()
    email["From"], email["To"] = parameters["from"], ", ".join(parameters["to"])
    email["Subject"], email["Message-ID"] = parameters["subject"], make_msgid()
    email.set_content(parameters["body"])
    await aiosmtplib.send(
        email,
        hostname=server["host"],
        port=server["port"],
        username=authentication.get("username"),
        password=authentication.get("password"),
        timeout=_TIMEOUT_SECONDS,
    )
    return {"result": {"sent": True, "messageId": email["Message-ID"]}}


def list_pop3(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """The oldest emails of a mailbox."""
    maildrop = _maildrop(authentication, server)
    count, _ = maildrop.stat()
    numbers = range(1, min(count, parameters["maxToBeRead"]) + 1)
    rows = [_row(MailMessage.from_bytes(b"\r\n".join(maildrop.top(number, 0)[1]))) for number in numbers]
    maildrop.quit()
    return {"result": rows}


def read_pop3(authentication: Variables, server: Variables, parameters: Variables) -> Variables:
    """One email, found by its Message-ID, which is then deleted."""
    maildrop = _maildrop(authentication, server)
    count, _ = maildrop.stat()
    for number in range(1, count + 1):
        header = message_from_bytes(b"\r\n".join(maildrop.top(number, 0)[1]), policy=policy.default)
        if header["Message-ID"] == parameters["messageId"]:
            break
    else:
        raise LookupError(parameters["messageId"])
    email = MailMessage.from_bytes(b"\r\n".join(maildrop.retr(number)[1]))
    maildrop.dele(number)
    maildrop.quit()
    return {"result": {**_row(email), "plainTextBody": email.text, "htmlBody": email.html}}


OPERATIONS: dict[str, Any] = {
    "imap.list": list_imap,
    "imap.search": search_imap,
    "imap.read": read_imap,
    "imap.move": move_imap,
    "imap.delete": delete_imap,
    "smtp.send": send_smtp,
    "pop3.list": list_pop3,
    "pop3.read": read_pop3,
}


def _mailbox(authentication: Variables, server: Variables) -> Any:
    mailbox = MailBoxUnencrypted(server["host"], server["port"], timeout=_TIMEOUT_SECONDS)
    return mailbox.login(authentication["username"], authentication["password"])


def _maildrop(authentication: Variables, server: Variables) -> poplib.POP3:
    maildrop = poplib.POP3(server["host"], server["port"], timeout=_TIMEOUT_SECONDS)
    maildrop.user(authentication["username"])
    maildrop.pass_(authentication["password"])
    return maildrop


def _is(message_id: str) -> AND:
    return AND(header=H("Message-ID", message_id))


def _row(email: MailMessage) -> Variables:
    return {
        "messageId": email.obj["Message-ID"],
        "fromAddress": email.from_,
        "subject": email.subject,
        "size": email.size_rfc822,
        "sentDate": email.date.isoformat(),
    }


async def main() -> None:
    """Serve until killed."""
    while True:
        # Most gRPC errors end pyzeebe's worker; its operator restarts it.
        with suppress(Exception):
            await _worker(sys.argv[1]).work()
        await asyncio.sleep(1)


def _worker(gateway: str) -> ZeebeWorker:
    # By default pyzeebe's worker sleeps for 5 s whenever it is full: that would be no comparison.
    worker = ZeebeWorker(create_insecure_channel(gateway), poll_retry_delay=0.01)  # type: ignore[arg-type]
    for name, function in OPERATIONS.items():
        worker.task(
            task_type=f"plain.{name}",
            max_running_jobs=_MAX_JOBS,
            max_jobs_to_activate=_MAX_JOBS,
            timeout_ms=2 * _TIMEOUT_SECONDS * 1_000,
        )(function)
    return worker


if __name__ == "__main__":
    asyncio.run(main())
