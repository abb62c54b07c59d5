from __future__ import annotations

import asyncio
import imaplib
import poplib
from typing import TYPE_CHECKING

import aiosmtplib
import pytest
from testkit.counting_proxy import CountingProxy, Cut, ProxyOptions
from testkit.scripted_smtp import ScriptedSmtp
from testkit.wire import ImapWire, Pop3Wire, SmtpWire

if TYPE_CHECKING:
    from testkit.accounts import Account
    from testkit.certificates import Certificates
    from testkit.dovecot import Dovecot

DELAY_SECONDS = 0.2
MAIL = b"Subject: hello\r\n\r\n+ no challenge\r\nQUIT\r\n.dotted\r\nend\r\n"


def imap_session(proxy: CountingProxy, account: Account) -> imaplib.IMAP4:
    session = imaplib.IMAP4(proxy.host, proxy.port, timeout=60)
    session.login(account.username, account.password)
    return session


def pop3_session(proxy: CountingProxy, account: Account) -> poplib.POP3:
    session = poplib.POP3(proxy.host, proxy.port, timeout=60)
    session.user(account.username)
    session.pass_(account.password)
    return session


def append_and_fetch(proxy: CountingProxy, account: Account) -> bytes:
    session = imap_session(proxy, account)
    session.append("INBOX", "", "", MAIL)
    session.select()
    data = session.uid("FETCH", "1", "(BODY.PEEK[])")[1][0][1]
    session.logout()
    assert isinstance(data, bytes)
    return data


async def test_imap_commands_are_counted_through_literals_of_both_sides(
    dovecot: Dovecot, dovecot_account: Account
) -> None:
    async with CountingProxy(ImapWire, dovecot.imap_port) as proxy:
        assert await asyncio.to_thread(append_and_fetch, proxy, dovecot_account) == MAIL
    assert proxy.verbs == ["CAPABILITY", "LOGIN", "APPEND", "SELECT", "UID FETCH", "LOGOUT"]
    assert proxy.connections == 1
    assert proxy.bytes_from_client > len(MAIL) < proxy.bytes_from_server


async def test_the_answer_of_a_challenged_client_is_no_command(
    dovecot: Dovecot, dovecot_account: Account
) -> None:
    def sign_in(proxy: CountingProxy) -> None:
        session = imaplib.IMAP4(proxy.host, proxy.port, timeout=60)
        session.authenticate("PLAIN", lambda _: f"\0{dovecot_account.username}\0s3cret".encode())
        session.logout()

    async with CountingProxy(ImapWire, dovecot.imap_port) as proxy:
        await asyncio.to_thread(sign_in, proxy)
    assert proxy.verbs == ["CAPABILITY", "AUTHENTICATE", "LOGOUT"]


async def test_pop3_commands_are_counted_and_message_lines_are_not(
    dovecot: Dovecot, dovecot_account: Account
) -> None:
    def read(proxy: CountingProxy) -> list[bytes]:
        session = pop3_session(proxy, dovecot_account)
        session.uidl()
        session.list(1)
        lines = session.retr(1)[1]
        session.quit()
        return lines

    dovecot.deliver(dovecot_account.username, MAIL)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        assert b"\r\n".join([*await asyncio.to_thread(read, proxy), b""]) == MAIL
    assert proxy.verbs == ["USER", "PASS", "UIDL", "LIST", "RETR", "QUIT"]


async def test_smtp_commands_are_counted_and_message_lines_are_not() -> None:
    async with ScriptedSmtp() as server, CountingProxy(SmtpWire, server.port) as proxy:
        async with aiosmtplib.SMTP(hostname=proxy.host, port=proxy.port, timeout=60) as smtp:
            await smtp.sendmail("ann@example.org", ["bob@example.org"], MAIL)
        assert proxy.verbs == ["EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"]
        assert server.accepted[0].raw == MAIL


async def test_removed_capabilities_are_nowhere(dovecot: Dovecot, dovecot_account: Account) -> None:
    async def capabilities(proxy: CountingProxy) -> bytes:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(f"a LOGIN {dovecot_account.username} s3cret\r\nb CAPABILITY\r\nc LOGOUT\r\n".encode())
        said = await reader.read()
        writer.close()
        return said

    removed = ("MOVE", "UIDPLUS", "SORT", "SASL-IR")
    options = ProxyOptions(removed=removed)
    async with CountingProxy(ImapWire, dovecot.imap_port, options) as proxy:
        said = await capabilities(proxy)
    assert said.count(b"CAPABILITY") == 3
    words = {word.strip(b"[]") for word in said.split()}
    assert b"ESORT" in words
    assert not words & {b"MOVE", b"UIDPLUS", b"SORT", b"SORT=DISPLAY", b"SASL-IR", b"STARTTLS"}


async def test_pop3_and_smtp_capabilities_are_removed_too(dovecot: Dovecot) -> None:
    def pop3_capabilities(proxy: CountingProxy) -> dict[str, list[str]]:
        session = poplib.POP3(proxy.host, proxy.port, timeout=60)
        offered = session.capa()
        session.quit()
        return offered

    async with CountingProxy(Pop3Wire, dovecot.pop3_port, ProxyOptions(removed=("TOP", "UIDL"))) as proxy:
        offered = await asyncio.to_thread(pop3_capabilities, proxy)
        assert "PIPELINING" in offered
        assert not offered.keys() & {"TOP", "UIDL", "STLS"}
    async with (
        ScriptedSmtp() as server,
        CountingProxy(SmtpWire, server.port, ProxyOptions(removed=("SMTPUTF8",))) as proxy,
        aiosmtplib.SMTP(hostname=proxy.host, port=proxy.port, timeout=60) as smtp,
    ):
        assert not smtp.supports_extension("smtputf8")
        assert smtp.supports_extension("8bitmime")


async def test_a_client_that_uses_a_removed_capability_is_caught(
    dovecot: Dovecot, dovecot_account: Account
) -> None:
    def use_them(proxy: CountingProxy) -> None:
        session = imap_session(proxy, dovecot_account)
        try:
            session.select()
            assert session.uid("SEARCH", "ALL")[0] == "OK"
            session.uid("MOVE", "1", "Trash")
        finally:
            session.shutdown()

    proxy = CountingProxy(ImapWire, dovecot.imap_port, ProxyOptions(removed=("MOVE", "UIDPLUS")))
    await proxy.__aenter__()
    with pytest.raises(imaplib.IMAP4.error, match="BAD"):
        await asyncio.to_thread(use_them, proxy)
    with pytest.raises(AssertionError, match="UID MOVE 1 Trash"):
        await proxy.__aexit__(None, None, None)


async def test_pop3_commands_that_are_not_offered_are_refused_in_their_turn(
    dovecot: Dovecot, dovecot_account: Account
) -> None:
    proxy = CountingProxy(Pop3Wire, dovecot.pop3_port, ProxyOptions(removed=("TOP", "PIPELINING")))
    await proxy.__aenter__()
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    for line in (f"USER {dovecot_account.username}\r\n", "PASS s3cret\r\n", "TOP 1 0\r\nSTAT\r\n"):
        await reader.readline()
        writer.write(line.encode())
    assert [await reader.readline() for _ in range(2)] == [b"-ERR Unknown command\r\n"] * 2
    writer.close()
    assert [command.verb for command in proxy.violations] == ["TOP", "STAT"]
    with pytest.raises(AssertionError):
        await proxy.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("when", "is_flagged", "is_told"),
    [(Cut.BEFORE_COMMAND, False, False), (Cut.BEFORE_ANSWER, True, False), (Cut.AFTER_ANSWER, True, True)],
)
@pytest.mark.parametrize("at", [3, "UID STORE"])
async def test_a_connection_is_cut_at_one_command_and_the_next_one_is_whole(
    dovecot: Dovecot, dovecot_account: Account, at: int | str, *, when: Cut, is_flagged: bool, is_told: bool
) -> None:
    user = dovecot_account.username

    def flag(proxy: CountingProxy) -> bool:
        session = imap_session(proxy, dovecot_account)
        try:
            session.select()
            return session.uid("STORE", "1", "+FLAGS", "\\Flagged")[0] == "OK"
        except (imaplib.IMAP4.abort, OSError):
            return False
        finally:
            session.shutdown()

    dovecot.deliver(user, MAIL)
    async with CountingProxy(ImapWire, dovecot.imap_port) as proxy:
        proxy.cut(at if isinstance(at, str) else at + 1, when)
        assert await asyncio.to_thread(flag, proxy) is is_told
        assert ("\\Flagged" in dovecot.messages(user)[0].flags) is is_flagged
        assert await asyncio.to_thread(flag, proxy) is True
        assert proxy.cuts == 1
        assert proxy.connections == 2


async def test_an_answer_is_late_but_many_together_are_late_once(
    dovecot: Dovecot, dovecot_account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted_sleep(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr("testkit.counting_proxy.asyncio.sleep", noted_sleep)
    async with CountingProxy(Pop3Wire, dovecot.pop3_port, ProxyOptions(delay_seconds=DELAY_SECONDS)) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        assert (await reader.readline()).startswith(b"+OK")
        assert len(pauses) == 1
        writer.write(f"USER {dovecot_account.username}\r\nPASS s3cret\r\n".encode() + b"STAT\r\n" * 20)
        pauses.clear()
        answers = [await reader.readline() for _ in range(22)]
        # One after the other they would be late by 22 times as much.
        assert 0 < sum(pauses) < 22 * DELAY_SECONDS / 2
        assert answers[2:] == [b"+OK 0 0\r\n"] * 20
        writer.close()


async def test_a_proxy_speaks_tls_to_the_client(dovecot: Dovecot, certificates: Certificates) -> None:
    options = ProxyOptions(tls=certificates.server.server_context())
    async with CountingProxy(ImapWire, dovecot.imap_port, options) as proxy:
        reader, writer = await asyncio.open_connection(
            "localhost", proxy.port, ssl=certificates.client_context()
        )
        assert (await reader.readline()).startswith(b"* OK")
        writer.close()
        await writer.wait_closed()


async def test_a_proxy_breaks_all_connections_when_told(dovecot: Dovecot) -> None:
    async with CountingProxy(ImapWire, dovecot.imap_port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        await reader.readline()
        await proxy.close_connections()
        assert await reader.read() == b""
        writer.close()
