"""How much memory a mail of 50 MB takes to be read or searched: `python -m testkit.pop3_memory read|search`.

Prints the bytes by which the process grew at most. The server makes the mail up while it sends it.
"""

from __future__ import annotations

import asyncio
import ssl
import sys

from testkit.memory import peak_bytes
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, say
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.timeouts import Timeouts

HEADERS = b"Subject: large\r\nMessage-ID: <large@x>\r\nMIME-Version: 1.0\r\n"
START = (
    b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n'
    b"--B\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"A text.\r\n--B\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)
LINES = b"QUJD" * 19 + b"\r\n"
LINES_AT_ONCE = 1_000
SIZE = 50 * 1024 * 1024


async def send_large_mail(dialogue: Dialogue) -> None:
    """The answer to RETR."""
    await dialogue.send(b"+OK\r\n" + HEADERS + START)
    for _ in range(SIZE // len(LINES) // LINES_AT_ONCE):
        await dialogue.send(LINES * LINES_AT_ONCE)
    await dialogue.send(b"--B--\r\n.\r\n")


async def main(operation: str) -> None:
    """Let a first mail warm everything up, then take the large one."""
    options = Pop3Options(faults={"RETR": send_large_mail, "LIST": say("+OK", f"1 {SIZE}", ".")})
    mailboxes = Pop3Mailboxes(ssl.create_default_context(), Timeouts(), Pop3Limits())
    async with ScriptedPop3({"1": HEADERS + b"\r\n"}, options) as server:
        caller = Pop3Caller(mailboxes, server.port)
        await caller.list_emails()
        before = peak_bytes()
        if operation == "read":
            read, deferred = await caller.read("large@x", storeAttachments=False)
            assert read["plainTextBody"] == "A text."
            await deferred.abandon()
        else:
            assert len(await caller.search_emails({"field": "BODY", "value": "a TEXT"})) == 1
        print(peak_bytes() - before)  # noqa: T201 - what it is run for
    await mailboxes.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
