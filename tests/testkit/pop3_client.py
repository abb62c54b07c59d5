"""One POP3 operation in a process of its own: `python -m testkit.pop3_client PORT list|search|read`.

Prints JSON: by how many bytes the process grew at most, and the code of the error, if there was one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

from testkit.memory import peak_bytes
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import ScriptedPop3
from worker.errors import EmailError
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.timeouts import Timeouts

TIMEOUTS = Timeouts(login_seconds=5, greeting_seconds=5, command_seconds=6, transfer_seconds=10)


async def main(port: int, operation: str) -> None:
    """Let a first email warm everything up, then do the operation."""
    mailboxes = Pop3Mailboxes(ssl.create_default_context(), TIMEOUTS, Pop3Limits())
    async with ScriptedPop3({"1": b"Subject: x\r\nMessage-ID: <one@x>\r\n\r\nx\r\n"}) as server:
        await call(Pop3Caller(mailboxes, server.port), operation)
    before, code = peak_bytes(), None
    try:
        await call(Pop3Caller(mailboxes, port), operation)
    except EmailError as error:
        code = error.code
    print(json.dumps({"grown_bytes": peak_bytes() - before, "code": code}))  # noqa: T201 - what it is for
    await mailboxes.close()


async def call(caller: Pop3Caller, operation: str) -> None:
    """Do it, and leave what was read where it is."""
    if operation == "list":
        await caller.list_emails(maxToBeRead=10_000)
    elif operation == "search":
        await caller.search_emails({"field": "BODY", "value": "nowhere"})
    else:
        _, deferred = await caller.read("one@x")
        await deferred.abandon()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
