"""Connecting and signing in: encryption, names and passwords, and what a server says when it will not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificate, Certificates
from testkit.dovecot import Dovecot, DovecotOptions
from testkit.imap_caller import ImapCaller, Place, Spot
from testkit.imap_probe import ImapProbe, mail
from testkit.processes import loopback_addresses
from testkit.scripted_imap import ImapOptions, ScriptedImap, answer, when
from testkit.scripted_server import (
    Dialogue,
    Step,
    close,
    drip,
    endless_line,
    garbage,
    hang,
    reset,
    say,
    start_tls,
)

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MailboxBusy,
    MailServerError,
    MessageNotFound,
    ProtocolViolation,
    QuotaExceeded,
    ResultTooLarge,
    ServerRefused,
    ServerTimeout,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail import account as account_module
from worker.mail.account import Encryption, MailProtocol
from worker.mail.timeouts import Timeouts

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from worker.mail.imap.mailboxes import ImapMailboxes

MakeCaller = Callable[..., ImapCaller]
OpenPlace = Callable[[Spot, MakeCaller], "AbstractAsyncContextManager[Place]"]


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
async def test_tls_and_ssl_both_encrypt_from_the_first_byte(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller, protocol: str
) -> None:
    caller = make_caller(dovecot.imaps_port, dovecot_account)
    caller.protocol = protocol
    assert await caller.list_emails() == []


@pytest.mark.parametrize("kind", ["wrong_host", "expired"])
async def test_a_certificate_that_is_not_good_is_refused(
    certificates: Certificates, make_caller: MakeCaller, kind: str
) -> None:
    certificate: Certificate = getattr(certificates, kind)
    async with ScriptedImap(tls=certificate.server_context()) as server:
        caller = make_caller(server.port)
        caller.protocol = "SSL"
        with pytest.raises(TlsFailed):
            await caller.list_emails()
    assert server.commands == []


async def test_an_ipv6_literal_is_a_host(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    if "::1" not in loopback_addresses():
        pytest.skip("this machine has no ::1")
    caller = make_caller(dovecot.imaps_port, dovecot_account)
    caller.host, caller.protocol = "[::1]", "SSL"
    assert await caller.list_emails() == []


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("quote", 'a "quoted" \\ password {1}'),
        ("jürgen@example.org", "Пароль 密码 🔑"),
        ("spaces in the name", " leading and trailing "),
    ],
)
async def test_any_user_name_and_password_signs_in(
    dovecot: Dovecot, make_caller: MakeCaller, username: str, password: str
) -> None:
    dovecot.add_user(username, password)
    caller = make_caller(dovecot.imaps_port, Account(username, password))
    caller.protocol = "SSL"
    assert await caller.list_emails() == []


@pytest.mark.parametrize(("username", "password"), [("jürgen", "pässe"), ("ann", "a\ttab")])
async def test_a_login_beyond_printable_ascii_goes_in_literals_where_the_server_has_no_sasl(
    make_caller: MakeCaller, username: str, password: str
) -> None:
    async def take_literals(dialogue: Dialogue) -> None:
        await dialogue.say("+ go on")
        assert await dialogue.read_line() == f"{username} {{{len(password.encode())}}}\r\n".encode()
        await dialogue.say("+ go on")
        assert await dialogue.read_line() == f"{password}\r\n".encode()
        await dialogue.say("{tag} OK in")

    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1", faults={"LOGIN": take_literals})) as server:
        assert await make_caller(server.port, Account(username, password)).search() == []


async def test_where_login_is_disabled_sasl_plain_is_used_and_without_that_the_reason_is_told(
    make_caller: MakeCaller,
) -> None:
    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1 LOGINDISABLED AUTH=PLAIN SASL-IR")) as server:
        await make_caller(server.port).search()
        assert "LOGIN" not in server.verbs
    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1 LOGINDISABLED STARTTLS")) as server:
        with pytest.raises(AuthenticationFailed, match="cryptographicProtocol"):
            await make_caller(server.port).search()
        assert server.verbs == ["CAPABILITY"]


async def test_a_wrong_password_is_told_with_the_servers_reason_and_never_retried(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        await make_caller(dovecot.imap_port, Account(dovecot_account.username, "wrong")).list_emails()
    assert not caught.value.is_retryable
    assert "Authentication failed" in caught.value.message
    assert "wrong" not in caught.value.message


@pytest.mark.parametrize(
    ("verb", "text", "kind"),
    [
        ("LOGIN", "NO [AUTHENTICATIONFAILED] no", AuthenticationFailed),
        ("LOGIN", "NO no", AuthenticationFailed),
        ("LOGIN", "NO [EXPIRED] password", AuthenticationFailed),
        ("LOGIN", "NO [UNAVAILABLE] later", ServerUnavailable),
        ("LOGIN", "NO [INUSE] locked", MailboxBusy),
        ("LOGIN", "NO [LIMIT] sessions", ServerUnavailable),
        ("LOGIN", "NO [ALERT] Too many simultaneous connections", ServerUnavailable),
        ("LOGIN", "NO [CONTACTADMIN] no", ServerRefused),
        ("SELECT", "NO [NOPERM] no", ServerRefused),
        ("SELECT", "NO [INUSE] locked", MailboxBusy),
        ("UID SEARCH", "NO [SERVERBUG] oops", ServerUnavailable),
        ("UID SEARCH", "BAD what", ServerRefused),
        ("UID STORE", "NO [OVERQUOTA] full", QuotaExceeded),
        ("UID EXPUNGE", "NO [LIMIT] slowly", ServerUnavailable),
    ],
)
async def test_a_refusal_is_what_its_code_means(
    make_caller: MakeCaller, verb: str, text: str, kind: type[MailServerError]
) -> None:
    async with ScriptedImap(ImapOptions(faults={verb: answer(text)})) as server:
        with pytest.raises(kind) as caught:
            await make_caller(server.port).delete("1@scripted.example.org")
    assert type(caught.value) is kind
    assert text.rsplit("] ", maxsplit=1)[-1].removeprefix("NO ").removeprefix("BAD ") in caught.value.message
    assert server.verbs[-1] in {verb, "LOGOUT"}


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        ("* BYE [UNAVAILABLE] restarting", ServerUnavailable),
        ("* BYE too many connections", ServerUnavailable),
        ("220 mail.example.org ESMTP", ProtocolViolation),
        ("+OK POP3", ProtocolViolation),
    ],
)
async def test_a_greeting_that_is_no_welcome_is_told(
    make_caller: MakeCaller, greeting: str, kind: type[MailServerError]
) -> None:
    async with ScriptedImap(ImapOptions(greeting=greeting)) as server:
        with pytest.raises(kind):
            await make_caller(server.port).list_emails()


async def test_a_preauthenticated_session_needs_no_sign_in(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(greeting="* PREAUTH welcome")) as server:
        assert await make_caller(server.port).search() == []
    assert "LOGIN" not in server.verbs


async def test_capabilities_are_read_again_after_the_sign_in(make_caller: MakeCaller) -> None:
    login = say("* CAPABILITY IMAP4rev1 UIDPLUS", "{tag} OK in")
    options = ImapOptions(greeting="* OK [CAPABILITY IMAP4rev1] ready", faults={"LOGIN": login})
    async with ScriptedImap(options) as server:
        await make_caller(server.port).delete("1@scripted.example.org")
    assert server.verbs.count("CAPABILITY") == 1
    assert "UID EXPUNGE" in server.verbs


STALLED: dict[str, Step] = {
    "hang": hang(),
    "drip": drip("* OK [CAPABILITY IMAP4rev1] " + "x" * 100),
}


@pytest.mark.parametrize("fault", STALLED)
@pytest.mark.parametrize("verb", ["GREETING", "CAPABILITY", "LOGIN", "LIST", "SELECT", "UID FETCH"])
async def test_a_server_that_stalls_or_drips_is_left_at_the_limit(
    make_caller: MakeCaller, verb: str, fault: str
) -> None:
    async with ScriptedImap(ImapOptions(faults={verb: STALLED[fault]})) as server:
        async with asyncio.timeout(60):
            with pytest.raises(ServerTimeout, match="2 seconds"):
                await make_caller(server.port, has_short_timeouts=True).list_emails()


@pytest.mark.parametrize("fault", [close(), reset(), garbage(), endless_line()])
@pytest.mark.parametrize("verb", ["GREETING", "LOGIN", "SELECT", "UID FETCH"])
async def test_a_connection_that_breaks_or_babbles_is_an_error_that_may_pass(
    make_caller: MakeCaller, verb: str, fault: Step
) -> None:
    async with ScriptedImap(ImapOptions(faults={verb: fault})) as server:
        with pytest.raises((ConnectionFailed, ProtocolViolation, ServerTimeout)) as caught:
            await make_caller(server.port, has_short_timeouts=True).list_emails()
    assert caught.value.is_retryable


async def test_a_server_without_starttls_is_not_spoken_to_in_clear(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1")) as server:
        session = await _sign_in_with_starttls(make_caller, server.port)
    assert isinstance(session, TlsFailed)
    assert server.verbs == ["CAPABILITY"]


async def test_after_starttls_what_was_said_before_does_not_count(
    certificates: Certificates, make_caller: MakeCaller
) -> None:
    context = certificates.server.server_context()

    async def upgrade(dialogue: Dialogue) -> None:
        # In clear text, behind the answer: a command's answer that somebody on the way has put in.
        await dialogue.say("{tag} OK begin\r\n* CAPABILITY IMAP4rev1 EVIL")
        await start_tls(context)(dialogue)

    async with ScriptedImap(ImapOptions(faults={"STARTTLS": upgrade})) as server:
        assert await _sign_in_with_starttls(make_caller, server.port) is None
    assert server.verbs[:4] == ["CAPABILITY", "STARTTLS", "CAPABILITY", "LOGIN"]


async def test_cancelling_ends_the_thread(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(faults={"SELECT": hang()})) as server:
        caller = make_caller(server.port)
        task = asyncio.create_task(caller.list_emails())
        await server.heard("", times=4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        threads = [thread for thread in threading.enumerate() if thread.name == "mail session"]
        for thread in threads:
            await asyncio.to_thread(thread.join, 5)
        assert not any(thread.is_alive() for thread in threads)


async def test_where_the_server_has_another_charset_that_is_used(make_caller: MakeCaller) -> None:
    async def refuse_utf8(dialogue: Dialogue) -> None:
        if "UTF-8" in dialogue.commands[-1]:
            await dialogue.say("{tag} NO [BADCHARSET (US-ASCII ISO-8859-1)] no")
            return
        await dialogue.say("+ go on")
        assert (await dialogue.read_line()).strip(b")\r\n") == "ü".encode("latin-1")
        await dialogue.say("* SEARCH 2\r\n{tag} OK done")

    async with ScriptedImap(ImapOptions(faults={"UID SEARCH": when("CHARSET", refuse_utf8)})) as server:
        found = await make_caller(server.port).search({"field": "SUBJECT", "value": "ü"})
        assert [each["subject"] for each in found] == ["Message 2"]
        assert await make_caller(server.port).search({"field": "SUBJECT", "value": "日"}) == []


async def test_at_a_dovecot_without_utf_8_all_that_its_charsets_hold_is_found(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller, open_place: OpenPlace
) -> None:
    spot = Spot(dovecot.imap_port, dovecot_account, removed=("UTF8", "CHARSET=UTF-8"))
    async with open_place(spot, make_caller) as place:
        place.probe.deliver(
            mail(1, sender="=?utf-8?q?J=C3=BCrgen?= <j@example.org>", body="Straße 日本語\r\n")
        )
        place.probe.deliver(mail(2))
        for field, value in (("FROM", "Jürgen"), ("BODY", "Straße"), ("BODY", "日本語")):
            found = await place.caller.search({"field": field, "value": value})
            assert [each["messageId"] for each in found] == ["<1@example.org>"]
        # No capability says which charsets there are: it is asked with UTF-8 first.
        assert [command.verb for command in place.proxy.violations] == ["UID SEARCH"] * 3
        place.proxy.violations.clear()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (hang(), ServerTimeout),
        (garbage(), ProtocolViolation),
        (answer("NO [SERVERBUG] oops"), ServerUnavailable),
    ],
)
async def test_a_look_for_new_mail_that_fails_leaves_no_answer_that_may_be_old(
    make_caller: MakeCaller, fault: Step, kind: type[MailServerError]
) -> None:
    async with ScriptedImap(ImapOptions(faults={"NOOP": fault})) as server:
        caller = make_caller(server.port, has_short_timeouts=True)
        await caller.read("1@scripted.example.org")
        with pytest.raises(kind) as caught:
            await caller.read("1@scripted.example.org")
    assert caught.value.is_retryable
    assert server.verbs.count("UID FETCH") == 1


async def test_a_message_over_the_limit_is_refused_before_it_is_in_memory(make_caller: MakeCaller) -> None:
    fetch = say("* 1 FETCH (UID 1 BODY[] {999999999999}")
    async with ScriptedImap(ImapOptions(faults={"UID FETCH": fetch})) as server:
        with pytest.raises(ResultTooLarge):
            await make_caller(server.port).read("1@scripted.example.org")


@dataclass
class Flood:
    """Says something without end, and counts the octets that went out."""

    line: bytes
    sent: int = 0

    async def __call__(self, dialogue: Dialogue) -> None:
        while True:
            await dialogue.send(self.line)
            self.sent += len(self.line)


FLOODS = {
    "lines": b"* OK still here\r\n" * 1000,
    "one line": b"* OK " + b"x" * 100_000,
    "literals": b"* 1 FETCH (UID 1 BODY[X] {60000}\r\n" + b"y" * 60_000 + b" BODY[Y] {3}\r\nyyy)\r\n",
    "one message": b" BODY[X] {60000}\r\n" + b"y" * 60_000,
    "hits": b"* SEARCH " + b"1 " * 5000 + b"\r\n",
    "brackets": b"* 1 FETCH " + b"(" * 100_000,
}


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.parametrize(
    "verb", ["GREETING", "CAPABILITY", "LOGIN", "LIST", "SELECT", "UID SEARCH", "UID FETCH", "UID EXPUNGE"]
)
async def test_a_server_that_sends_without_end_is_left_before_it_fills_the_memory(
    make_caller: MakeCaller, verb: str, kind: str
) -> None:
    flood = Flood(FLOODS[kind])
    async with ScriptedImap(ImapOptions(faults={verb: flood})) as server:
        with pytest.raises(ProtocolViolation):
            await make_caller(server.port).delete("1@scripted.example.org")
    # What the worker has taken, and what lies in the buffers of the connection.
    assert flood.sent < 20_000_000


@pytest.mark.parametrize(
    "hits",
    [b"1 " * 9_000_000, b"9" * 5000, b"99999999999999999999", b"0"],
    ids=["many", "long", "high", "zero"],
)
async def test_hits_that_the_folder_cannot_have_are_refused(make_caller: MakeCaller, hits: bytes) -> None:
    async def find(dialogue: Dialogue) -> None:
        await dialogue.send(b"* SEARCH " + hits + b"\r\n")
        await dialogue.say("{tag} OK done")

    async with ScriptedImap(ImapOptions(faults={"UID SEARCH": find})) as server:
        with pytest.raises(ProtocolViolation):
            await make_caller(server.port).search()


async def test_a_whole_operation_ends_at_its_limit_though_each_reply_comes_in_time(
    make_mailboxes: Callable[..., ImapMailboxes],
) -> None:
    async def find_slowly(dialogue: Dialogue) -> None:
        # Each line is news, so that no wait for a reply is ever long.
        while True:
            await dialogue.say("* OK still searching")
            await asyncio.sleep(0.05)

    limits = Timeouts(transfer_seconds=1)
    async with ScriptedImap(ImapOptions(faults={"NOOP": find_slowly})) as server:
        caller = ImapCaller(make_mailboxes(limits), server.port)
        await caller.read("1@scripted.example.org")
        async with asyncio.timeout(20):
            with pytest.raises(ServerTimeout, match="1 seconds"):
                await caller.read("1@scripted.example.org")


async def test_a_code_ends_at_the_first_bracket(make_caller: MakeCaller) -> None:
    login = say("{tag} OK [CAPABILITY IMAP4rev1 UIDPLUS] hello [ann]")
    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1", faults={"LOGIN": login})) as server:
        await make_caller(server.port).delete("1@scripted.example.org")
    assert "UID EXPUNGE" in server.verbs


async def test_a_session_that_is_signed_in_before_starttls_is_not_used(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(greeting="* PREAUTH welcome")) as server:
        assert isinstance(await _sign_in_with_starttls(make_caller, server.port), TlsFailed)
    assert server.verbs == ["CAPABILITY"]


@pytest.mark.parametrize("method", ["search", "list_emails"])
async def test_more_headers_than_should_be_in_memory_are_refused(
    make_caller: MakeCaller, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("worker.mail.imap.reading.MOST_KEPT", 50_000)
    async with ScriptedImap(ImapOptions(message_count=150)) as server:
        caller = make_caller(server.port)
        with pytest.raises(ResultTooLarge, match="50000 bytes"):
            await getattr(caller, method)()


@pytest.mark.parametrize(("delimiter", "prefix"), [("/", "INBOX/"), (".", "INBOX."), (".", ""), ("/", "")])
async def test_paths_mean_the_servers_own_hierarchy(
    certificates: Certificates, make_caller: MakeCaller, delimiter: str, prefix: str
) -> None:
    with Dovecot(certificates.server, DovecotOptions(delimiter=delimiter, prefix=prefix)) as server:
        account = server.add_user("ann", "s3cret")
        server.deliver("ann", mail(1))
        caller = make_caller(server.imap_port, account)
        await caller.move("1@example.org", "Projects.2023/January")
        assert server.folders("ann") == ["Projects", "Projects/2023", "Projects/2023/January"]
        name = prefix + delimiter.join(("Projects", "2023", "January"))
        for path in ("Projects/2023/January", "Projects.2023.January", name):
            assert len(await caller.list_emails(folder=path)) == 1


async def test_a_folder_of_exactly_that_name_wins(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    probe = ImapProbe(dovecot.host, dovecot.imap_port, dovecot_account)
    probe.deliver(mail(1), "v1.2")
    probe.deliver(mail(2), "v1/2")
    caller = make_caller(dovecot.imap_port, dovecot_account)
    assert (await caller.list_emails(folder="v1.2"))[0]["messageId"] == "<1@example.org>"
    assert (await caller.list_emails(folder="v1/2"))[0]["messageId"] == "<2@example.org>"


async def test_a_folder_that_may_only_be_read_is_read_and_not_changed(make_caller: MakeCaller) -> None:
    select = say("* 3 EXISTS", "* OK [UIDVALIDITY 7] valid", "{tag} OK [READ-ONLY] done")
    async with ScriptedImap(ImapOptions(faults={"SELECT": select})) as server:
        caller = make_caller(server.port)
        assert (await caller.read("1@scripted.example.org"))["subject"] == "Message 1"
        for operation in (
            caller.delete("1@scripted.example.org"),
            caller.move("1@scripted.example.org", "Target"),
            caller.flag("1@scripted.example.org", flagged=True),
            caller.append("INBOX", **{"from": "ann@example.org"}, subject="x", body="x", message="new@x"),
        ):
            with pytest.raises(ServerRefused, match="only read"):
                await operation
        # What is as wanted already needs no right to change it.
        assert not (await caller.flag("1@scripted.example.org", flagged=False))["flagged"]
    assert not {"UID STORE", "UID MOVE", "CREATE", "APPEND"} & set(server.verbs)


async def test_a_system_without_a_thread_left_is_a_temporary_failure(
    make_caller: MakeCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "mail session":
            raise RuntimeError("can't start new thread")
        start(thread)

    async with ScriptedImap() as server:
        caller = make_caller(server.port)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(ConnectionFailed, match="can't start new thread") as caught:
                await caller.list_emails()
        assert caught.value.is_retryable
        assert await caller.list_emails()


async def test_a_message_that_goes_away_before_it_is_moved_is_not_found(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID MOVE": answer("NO [EXPUNGEISSUED] gone")})) as server:
        with pytest.raises(MessageNotFound):
            await make_caller(server.port).move("1@scripted.example.org", "Target")


@pytest.mark.parametrize("name", ["Dovecot", "Cyrus IMAP", None])
async def test_a_server_that_tells_what_it_has_moved_has_moved_nothing_if_it_does_not(
    make_caller: MakeCaller, name: str | None
) -> None:
    """It is known to tell by its name, or since it has told before."""

    async def move(dialogue: Dialogue) -> None:
        is_first = sum("UID MOVE" in command for command in dialogue.commands) == 1
        has_moved = is_first and name is None
        told = "* OK [COPYUID 9 1 5] moved\r\n* 1 EXPUNGE\r\n" if has_moved else ""
        await dialogue.say(f"{told}{{tag}} OK done")

    faults = {"UID MOVE": move, "ID": say(f'* ID ("name" "{name}")', "{tag} OK done")}
    capabilities = f"IMAP4rev1 UIDPLUS MOVE{' ID' if name else ''}"
    async with ScriptedImap(ImapOptions(capabilities=capabilities, faults=faults)) as server:
        caller = make_caller(server.port)
        if name is None:
            await caller.move("1@scripted.example.org", "Target")
        with pytest.raises(MessageNotFound):
            await caller.move("2@scripted.example.org", "Target")


async def test_a_message_that_goes_away_while_it_is_looked_for_is_not_found(make_caller: MakeCaller) -> None:
    async def lose_it(dialogue: Dialogue) -> None:
        is_first = sum("SEARCH" in command for command in dialogue.commands) == 1
        await dialogue.say("* SEARCH 1" if is_first else "* SEARCH")
        await dialogue.say("{tag} OK done")

    faults = {"UID SEARCH": lose_it, "UID FETCH": answer("NO no such message")}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        with pytest.raises(MessageNotFound):
            await make_caller(server.port).delete("1@scripted.example.org")


@pytest.mark.parametrize(("is_gone", "kind"), [(True, MessageNotFound), (False, ServerRefused)])
async def test_a_move_that_is_refused_says_whether_the_message_is_gone(
    make_caller: MakeCaller, is_gone: bool, kind: type[MailServerError]
) -> None:
    async def fetch(dialogue: Dialogue) -> None:
        if not (is_gone and any("UID MOVE" in command for command in dialogue.commands)):
            await dialogue.say("* 1 FETCH (UID 1 RFC822.SIZE 1)")
        await dialogue.say("{tag} OK done")

    faults = {"UID FETCH": fetch, "UID MOVE": answer("NO [NOPERM] not this one")}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        with pytest.raises(kind):
            await make_caller(server.port).move("imap:7.1", "Target")


async def test_a_server_that_was_restarted_is_signed_in_at_again(
    certificates: Certificates, make_caller: MakeCaller
) -> None:
    with Dovecot(certificates.server) as server:
        caller = make_caller(server.imap_port, server.add_user("ann", "s3cret"))
        for end in (server.restart, server.kill):
            assert await caller.list_emails() == []
            end()
        with pytest.raises(ConnectionFailed):
            await caller.list_emails()
        server.start()
        assert await caller.list_emails() == []


async def _sign_in_with_starttls(make_caller: MakeCaller, port: int) -> MailServerError | None:
    """STARTTLS is for port 143, which a test cannot have: call the operation directly."""
    account = account_module.Account(
        MailProtocol.IMAP, "127.0.0.1", port, Encryption.STARTTLS, "ann", "s3cret"
    )
    try:
        await make_caller(port).mailboxes.run(account, lambda _: None)
    except MailServerError as error:
        return error
    return None
