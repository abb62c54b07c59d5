"""Whatever an SMTP or IMAP server sends, an operation ends, takes less than 100 MB, and holds up nobody."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from testkit.accounts import Account
from testkit.document_server import DocumentServer
from testkit.scripted_imap import ImapOptions, ScriptedImap
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, ScriptedServer, Step, drip, endless_line, say
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.token_server import TokenServer, status
from testkit.worker_client import run_apart

MOST_BYTES = 100 * 1024 * 1024
# Of processor time: what the worker may do at most before its event loop turns to other work.
MOST_MILLISECONDS = 100
ACCOUNT = Account("ann@example.org", "hunter2-Xyz")
LETTER = {"from": "a@example.org", "to": "b@example.org", "subject": "s", "body": "b"}
CODES = {
    *("PROTOCOL_ERROR", "TIMEOUT", "RESULT_TOO_LARGE", "SEND_OUTCOME_UNKNOWN", "SERVER_REFUSED"),
    *("FOLDER_NOT_FOUND", "DOCUMENT_REFUSED", "TOKEN_REFUSED"),
}


def flood(piece: bytes) -> Step:
    """Send a piece again and again, for as long as somebody takes it."""

    async def step(dialogue: Dialogue) -> None:
        while True:
            await dialogue.send(piece)

    return step


def once(*pieces: bytes, times: int) -> Step:
    """Send the first piece, the second one so many times, the third one, and that the command is done."""

    async def step(dialogue: Dialogue) -> None:
        first, repeated, last = pieces
        await dialogue.send(first + repeated * times + last)
        await dialogue.say("{tag} OK done")

    return step


LINES: dict[str, Callable[[bytes], Step]] = {
    "reply lines without end": lambda code: flood(b"%b-x\r\n" % code * 10_000),
    "reply lines without end, of one letter a second": lambda code: drip(f"{code.decode()}-x\r\n" * 99, 1),
    "a line without end": lambda _: endless_line(),
    "octets without sense": lambda _: flood(b"\0" * 60_000),
    "empty lines without end": lambda _: flood(b"\r\n" * 30_000),
}
SMTP_CODES = {
    SmtpStep.GREETING: b"220",
    SmtpStep.EHLO: b"250",
    SmtpStep.AUTH: b"535",
    SmtpStep.RCPT: b"250",
    SmtpStep.ANSWER: b"250",
}
IMAP_FAULTS: dict[str, tuple[str, str, Step]] = {
    "a greeting without end": ("list", "GREETING", endless_line()),
    "capabilities without end": ("list", "CAPABILITY", flood(b"* CAPABILITY " + b"X " * 5_000 + b"\r\n")),
    "lines before sign-in without end": ("list", "LOGIN", flood(b"* OK still here\r\n" * 5_000)),
    "a structure of 150,000 parts": (
        "list",
        "UID FETCH",
        once(
            b"* 1 FETCH (UID 1 BODYSTRUCTURE (",
            b'("text" "plain" NIL NIL NIL "7bit" 1 1)',
            b' "mixed"))\r\n',
            times=150_000,
        ),
    ),
    "a structure of three million words": (
        "list",
        "UID FETCH",
        once(b"* 1 FETCH (UID 1 BODYSTRUCTURE (", b"ab ", b"))\r\n", times=2_700_000),
    ),
    "a folder of two million levels": (
        "list",
        "LIST",
        once(b'* LIST () "/" "', b"a/", b'"\r\n', times=1_900_000),
    ),
    "folders without end": ("list", "LIST", flood(b'* LIST () "/" a\r\n' * 5_000)),
    "a line that is not closed": (
        "list",
        "UID FETCH",
        once(b'* 1 FETCH (UID 1 "', b'\\"', b"\r\n", times=400_000),
    ),
    "sections that are not closed": (
        "list",
        "UID FETCH",
        once(b"* 1 FETCH (", b"BODY[", b"\r\n", times=150_000),
    ),
    "flags that are not closed": (
        "list",
        "UID FETCH",
        once(b"* 1 FETCH (", b"FLAGS (", b"\r\n", times=1_000_000),
    ),
    "blanks in a structure": (
        "list",
        "UID FETCH",
        once(b"* 1 FETCH (UID 1 BODYSTRUCTURE (", b" ", b"\r\n", times=8_000_000),
    ),
    "nine million brackets": ("list", "UID FETCH", once(b"* 1 FETCH ", b"(", b"\r\n", times=9_000_000)),
    "literals without end": (
        "list",
        "UID FETCH",
        flood(b" BODY[X] {60000}\r\n" + b"y" * 60_000),
    ),
    "a literal of two gigabytes": (
        "list",
        "UID FETCH",
        once(b"* 1 FETCH (UID 1 BODY[] {", b"2000000000", b"}\r\n", times=1),
    ),
    "messages without end": (
        "list",
        "UID FETCH",
        flood(b"* 1 FETCH (UID 1 RFC822.SIZE 1 BODY[] {3}\r\nyyy)\r\n" * 1_000),
    ),
    "hits without end": ("search", "UID SEARCH", flood(b"* SEARCH " + b"1 " * 5_000 + b"\r\n")),
    "nine million hits": ("search", "UID SEARCH", once(b"* SEARCH ", b"1 ", b"\r\n", times=9_000_000)),
    "a range of millions": (
        "search",
        "UID SEARCH",
        once(b"* ESEARCH UID ALL ", b"1:9999999", b"\r\n", times=1),
    ),
    "a reply of one letter a second": ("search", "UID SEARCH", drip("* SEARCH " + "1 " * 999, 1)),
}
POP3_FAULTS = {
    "two million sizes": ("LIST", b"1 1000\r\n"),
    "two million unique ids": ("UIDL", b"1 u\r\n"),
    "a header without end": ("TOP", b"Subject: x\r\n"),
}


def account(port: int, **parameters: Any) -> dict[str, Any]:
    return {
        "authentication": {"username": ACCOUNT.username, "password": ACCOUNT.password},
        "server": {"host": ScriptedServer.host, "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }


async def assert_bounded(task_type: str, variables: dict[str, Any], **settings: str) -> None:
    told = await asyncio.to_thread(run_apart, task_type, variables, **settings)
    assert told["code"] in CODES | {None}, told
    assert told["grown_bytes"] < MOST_BYTES, told
    assert told["busy"] < MOST_MILLISECONDS, told


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("step", SMTP_CODES)
async def test_a_hostile_smtp_server_is_left_in_time(step: SmtpStep, kind: str) -> None:
    options = SmtpOptions(account=ACCOUNT)
    async with ScriptedSmtp({step: LINES[kind](SMTP_CODES[step])}, options) as server:
        await assert_bounded("email.smtp.send", account(server.port, **LETTER))


REPLIES_TO_RECIPIENTS = {
    "long refusals": [f"550 5.1.1 Nobody {'=41&amp;%2525' * 80}"],
    "longest replies": [*["250-" + "x" * 900] * 34, "250 ok"],
    "ordinary replies": ["250 ok"],
}


@pytest.mark.parametrize("kind", REPLIES_TO_RECIPIENTS)
async def test_replies_to_thousands_of_recipients_delay_nothing_else(kind: str) -> None:
    options = SmtpOptions(account=ACCOUNT, most_recipients=9_999)
    recipients = [f"user{number}@example.org" for number in range(5_000)]
    async with ScriptedSmtp({SmtpStep.RCPT: say(*REPLIES_TO_RECIPIENTS[kind])}, options) as server:
        await assert_bounded("email.smtp.send", account(server.port, **LETTER | {"to": recipients}))


@pytest.mark.parametrize("value", ["x", "ü ", "=?"])
async def test_the_largest_headers_delay_nothing_else(value: str) -> None:
    headers = {f"X-{number}": (value * 20_000)[:20_000] for number in range(150)}
    async with ScriptedSmtp(options=SmtpOptions(account=ACCOUNT)) as server:
        await assert_bounded("email.smtp.send", account(server.port, **LETTER, headers=headers))


@pytest.mark.parametrize("fault", IMAP_FAULTS)
async def test_a_hostile_imap_server_is_left_in_time(fault: str) -> None:
    operation, verb, step = IMAP_FAULTS[fault]
    parameters: dict[str, Any] = {"folder": "X"} if verb == "LIST" else {}
    if operation == "search":
        parameters["criteria"] = {"field": "SUBJECT", "value": "s"}
    async with ScriptedImap(ImapOptions(faults={verb: step})) as server:
        await assert_bounded(f"email.imap.{operation}", account(server.port, **parameters))


async def test_names_of_folders_that_are_hard_to_compare_cost_little_time() -> None:
    letters = random.Random(7)
    path = "".join(letters.choices("ab", k=198))
    names = ("".join(letters.sample(path, len(path))) for _ in range(10_000))
    rows = [f'* LIST () "/" "{name}"' for name in names]
    faults = {"LIST": say(*rows, "{tag} OK done"), "SELECT": say("{tag} NO No such folder")}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        told = await asyncio.to_thread(run_apart, "email.imap.list", account(server.port, folder=path))
    assert told["code"] == "FOLDER_NOT_FOUND"
    assert told["busy"] < MOST_MILLISECONDS


@pytest.mark.parametrize("fault", POP3_FAULTS)
async def test_a_hostile_pop3_server_delays_no_other_job(fault: str) -> None:
    verb, line = POP3_FAULTS[fault]

    async def step(dialogue: Dialogue) -> None:
        await dialogue.send(b"+OK\r\n")
        for _ in range(200):
            await dialogue.send(line * 10_000)
        await dialogue.send(b".\r\n")

    async with ScriptedPop3({"1": b"Subject: x\r\n\r\nx\r\n"}, Pop3Options(faults={verb: step})) as server:
        await assert_bounded("email.pop3.list", account(server.port))


async def test_a_document_store_with_a_long_reason_delays_nothing_else() -> None:
    async with DocumentServer(says="=41&amp;%2525 " * 1_700_000) as server:
        document = server.put(b"x", "a.pdf", "application/pdf")
        server.faults.append(400)
        given = account(1, **LETTER, attachments=[document])
        await assert_bounded("email.smtp.send", given, ZEEBE_REST_ADDRESS=server.address)


ANSWERS_OF_TOKEN_ENDPOINTS = {
    "a long reason": (400, {"error": "invalid_client", "error_description": "&amp;amp;%2525 5.5.5 " * 8_000}),
    "a long code": (200, {"error": "&amp;amp;%2525 5.5.5 " * 8_000}),
    "a long token": (200, {"access_token": "%2525&amp;" * 18_000}),
    "a long refresh token": (200, {"access_token": "a", "refresh_token": "%2525&amp;" * 18_000}),
}


@pytest.mark.parametrize("kind", ANSWERS_OF_TOKEN_ENDPOINTS)
async def test_a_token_endpoint_with_a_long_answer_delays_nothing_else(kind: str) -> None:
    code, answer = ANSWERS_OF_TOKEN_ENDPOINTS[kind]
    async with TokenServer() as server, ScriptedSmtp(options=SmtpOptions(account=ACCOUNT)) as smtp:
        server.faults.append(status(code, json.dumps(answer)))
        given = account(smtp.port, **LETTER) | {"authentication": server.authentication()}
        await assert_bounded("email.smtp.send", given, EMAIL_WORKER_ALLOWED_TOKEN_ENDPOINTS=server.url)
