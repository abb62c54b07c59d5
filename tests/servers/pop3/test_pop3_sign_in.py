from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.dovecot import Dovecot, DovecotOptions
from testkit.pop3_caller import Pop3Caller
from testkit.processes import free_port
from testkit.scripted_pop3 import CAPABILITIES, Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, say

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account as MailAccount
from worker.mail.account import Encryption, MailProtocol

MakeCaller = Callable[..., Pop3Caller]

MAIL = b"Subject: one\r\nMessage-ID: <one@x>\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def strict_dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """A Dovecot that takes no password before TLS."""
    with Dovecot(certificates.server, DovecotOptions(takes_plaintext_logins=False)) as server:
        yield server


async def sign_in_by_stls(caller: Pop3Caller) -> int:
    """Visit a maildrop by STLS, which requests choose by the port 110 alone; return how many mails it has."""
    account = MailAccount(
        MailProtocol.POP3, caller.host, caller.port, Encryption.STARTTLS, caller.username, caller.password
    )
    async with caller.mailboxes.visit(account) as visit:
        await visit.run(lambda mailbox: mailbox.look())
        return len(visit.mailbox.sizes)


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
async def test_tls_and_ssl_both_mean_tls_from_the_first_byte(
    protocol: str, dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, MAIL)
    caller = make_caller(dovecot.pop3s_port, dovecot_account)
    caller.protocol = protocol
    assert len(await caller.list_emails()) == 1


async def test_stls_is_required_and_taken(strict_dovecot: Dovecot, make_caller: MakeCaller) -> None:
    account = strict_dovecot.add_user("stls", "s3cret")
    strict_dovecot.deliver(account.username, MAIL)
    caller = make_caller(strict_dovecot.pop3_port, account)
    caller.host = strict_dovecot.host
    assert await sign_in_by_stls(caller) == 1


async def test_no_password_is_sent_where_stls_is_not_offered(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": MAIL}) as server:
        with pytest.raises(TlsFailed, match="does not offer STLS"):
            await sign_in_by_stls(make_caller(server.port))
        assert server.verbs == ["CAPA"]


async def test_no_password_is_sent_where_stls_is_refused(make_caller: MakeCaller) -> None:
    options = Pop3Options(capabilities=(*CAPABILITIES, "STLS"))
    async with ScriptedPop3({"1": MAIL}, options) as server:
        with pytest.raises(TlsFailed, match="does not offer STLS"):
            await sign_in_by_stls(make_caller(server.port))
        assert server.verbs == ["CAPA", "STLS"]


async def test_octets_that_a_stranger_adds_to_the_reply_to_stls_are_not_read_as_the_servers(
    certificates: Certificates, make_caller: MakeCaller
) -> None:
    async def start_tls(dialogue: Dialogue) -> None:
        # Capabilities in the clear that would have the client hold back its TLS-only sign-in.
        await dialogue.send(b"+OK\r\n+OK\r\nINJECTED\r\n.\r\n")
        await dialogue.start_tls(certificates.server.server_context())

    options = Pop3Options(capabilities=(*CAPABILITIES, "STLS"), faults={"STLS": start_tls})
    async with ScriptedPop3({"1": MAIL}, options) as server:
        assert await sign_in_by_stls(make_caller(server.port)) == 1
        assert server.verbs == ["CAPA", "STLS", "CAPA", "USER", "PASS", "UIDL", "LIST", "QUIT"]


@pytest.mark.parametrize("kind", ["wrong_host", "expired"])
async def test_a_certificate_that_is_not_good_ends_it_before_the_password(
    kind: str, certificates: Certificates, make_caller: MakeCaller
) -> None:
    context = getattr(certificates, kind).server_context()
    async with ScriptedPop3({"1": MAIL}, tls=context) as server:
        caller = make_caller(server.port)
        caller.protocol = "TLS"
        with pytest.raises(TlsFailed, match="not trusted"):
            await caller.list_emails()
        assert server.verbs == []


async def test_tls_to_a_port_that_speaks_plain_pop3_is_a_tls_error(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    caller.protocol = "TLS"
    with pytest.raises(TlsFailed):
        await caller.list_emails()


async def test_a_wrong_password_is_never_retried_and_in_no_message(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    caller = make_caller(dovecot.pop3_port, Account(dovecot_account.username, "wrong-password"))
    with pytest.raises(AuthenticationFailed) as failure:
        await caller.list_emails()
    assert not failure.value.is_retryable
    assert "wrong-password" not in f"{failure.value!r} {failure.value.details}"


async def test_a_password_before_tls_that_the_server_refuses_is_said_so(
    strict_dovecot: Dovecot, make_caller: MakeCaller
) -> None:
    account = strict_dovecot.add_user("plain", "s3cret")
    caller = make_caller(strict_dovecot.pop3_port, account)
    caller.host = strict_dovecot.host
    with pytest.raises(AuthenticationFailed, match=r"(?i)plaintext authentication disallowed"):
        await caller.list_emails()


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("jörg", "s3cret"),
        ("ann-ü", "pässwörd €"),
        ("with space", "s3cret"),
        ("plain", " leading and trailing "),
    ],
)
async def test_any_unicode_may_be_in_a_name_and_a_password(
    username: str, password: str, dovecot: Dovecot, make_caller: MakeCaller
) -> None:
    account = dovecot.add_user(username, password)
    dovecot.deliver(username, MAIL)
    assert len(await make_caller(dovecot.pop3_port, account).list_emails()) == 1


async def test_a_name_beyond_ascii_goes_by_sasl_where_it_is_offered(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": MAIL}) as server:
        await make_caller(server.port, Account("jörg", "pä ss")).list_emails()
        assert server.commands[1:3] == ["AUTH PLAIN", base64.b64encode("\0jörg\0pä ss".encode()).decode()]


async def test_a_name_beyond_ascii_goes_as_utf_8_where_sasl_is_not_offered(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": MAIL}, Pop3Options(capabilities=("TOP", "UIDL", "USER"))) as server:
        await make_caller(server.port, Account("jörg", "pä ss")).list_emails()
        assert server.commands[1:3] == ["USER jörg", "PASS pä ss"]


async def test_a_server_that_takes_sasl_alone_is_signed_in_to(make_caller: MakeCaller) -> None:
    options = Pop3Options(capabilities=("TOP", "UIDL", "SASL LOGIN PLAIN"), missing=frozenset({"USER"}))
    async with ScriptedPop3({"1": MAIL}, options) as server:
        assert len(await make_caller(server.port).list_emails()) == 1


@pytest.mark.parametrize(
    ("verb", "reply", "error"),
    [
        ("GREETING", "-ERR too many connections", ServerUnavailable),
        ("GREETING", "* OK IMAP4rev1 here", ProtocolViolation),
        ("GREETING", "220 smtp.example.org ESMTP", ProtocolViolation),
        ("USER", "-ERR never heard of you", AuthenticationFailed),
        ("PASS", "-ERR invalid password", AuthenticationFailed),
        ("PASS", "-ERR [SYS/TEMP] backend down", ServerUnavailable),
        ("PASS", "-ERR [LOGIN-DELAY] come back in 5 minutes", ServerUnavailable),
    ],
)
@pytest.mark.parametrize("more", [(), ("PIPELINING",)])
async def test_a_refusal_means_what_its_code_says(
    verb: str, reply: str, error: type[MailServerError], more: tuple[str, ...], make_caller: MakeCaller
) -> None:
    options = Pop3Options(capabilities=("TOP", "UIDL", "USER", *more), faults={verb: say(reply)})
    async with ScriptedPop3({"1": MAIL}, options) as server:
        with pytest.raises(error) as failure:
            await make_caller(server.port).list_emails()
        assert type(failure.value) is error
        assert failure.value.details["server"] == f"127.0.0.1:{server.port}"


async def test_a_capability_announced_after_the_sign_in_alone_is_used(make_caller: MakeCaller) -> None:
    announced = iter([("USER",), CAPABILITIES])

    async def capa(dialogue: Dialogue) -> None:
        await say("+OK", *next(announced), ".")(dialogue)

    messages = {"1": MAIL, "2": MAIL.replace(b"one", b"two")}
    async with ScriptedPop3(messages, Pop3Options(faults={"CAPA": capa})) as server:
        assert len(await make_caller(server.port).list_emails()) == 2
        assert server.verbs == ["CAPA", "USER", "PASS", "CAPA", "UIDL", "LIST", "TOP", "TOP", "UIDL", "QUIT"]


async def test_a_port_without_a_server_is_a_failed_connection(make_caller: MakeCaller) -> None:
    with pytest.raises(ConnectionFailed, match="No connection"):
        await make_caller(free_port()).list_emails()
    for host, text in (
        ("no-such-host.invalid", r"resolve the host no-such-host\.invalid;"),
        ("::1", r"\[::1\]:"),
    ):
        caller = make_caller(free_port())
        caller.host = host
        with pytest.raises(ConnectionFailed, match=text):
            await caller.list_emails()
