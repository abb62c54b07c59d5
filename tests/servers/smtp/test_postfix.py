"""The same against Postfix, as many people run it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.counting_proxy import CountingProxy, Cut, ProxyOptions
from testkit.postfix import Postfix, PostfixOptions
from testkit.smtp_caller import SmtpCaller
from testkit.wire import SmtpWire

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    NotSupported,
    RecipientRefused,
    SendOutcomeUnknown,
    TlsFailed,
)

ANN = Account("ann@example.org", "pässword ✓")


@pytest.fixture(scope="module")
def guarded(certificates: Certificates) -> Iterator[Postfix]:
    """A Postfix for people with an account, and for none without TLS or with mails over 100 kB."""
    options = PostfixOptions(
        account=ANN,
        takes_plaintext_logins=False,
        requires_tls=True,
        offers_smtputf8=False,
        message_size_limit=100_000,
    )
    with Postfix(certificates.server, options) as server:
        yield server


def port_of(server: Postfix, protocol: str) -> int:
    return server.smtps_port if protocol == "SSL" else server.smtp_port


@pytest.mark.parametrize("protocol", ["NONE", "TLS", "SSL"])
async def test_a_mail_arrives_as_it_was_written(protocol: str, postfix: Postfix, caller: SmtpCaller) -> None:
    recipient = f"{protocol.lower()}.reader@example.org"
    await caller.at(port_of(postfix, protocol), protocol).send(
        to=f'"Reader, The" <{recipient}>',
        cc="Grüße <cid@example.org>",
        subject="Übergrößenträger ✓ " * 12,
        contentType="MULTIPART",
        body="Grüße\n.\nEnd",
        htmlBody=f"<p>Grüße</p>{'x' * 5000}",
    )

    (mail,) = await postfix.wait_for_mail(recipient)
    message = message_from_bytes(mail.raw, policy=policy.default)
    text, html = message.iter_parts()
    assert message["Subject"] == ("Übergrößenträger ✓ " * 12)
    assert [str(address) for address in message["To"].addresses] == [f'"Reader, The" <{recipient}>']
    assert [address.display_name for address in message["Cc"].addresses] == ["Grüße"]
    assert message["Message-ID"] == "<job-1@example.org>"
    assert text.get_content() == "Grüße\n.\nEnd\n"
    assert html.get_content() == f"<p>Grüße</p>{'x' * 5000}\n"


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
async def test_a_sign_in_with_any_letters(protocol: str, guarded: Postfix, caller: SmtpCaller) -> None:
    account = caller.at(port_of(guarded, protocol), protocol, ANN)
    await account.send(to=f"{protocol}@example.org")

    assert len(await guarded.wait_for_mail(f"{protocol}@example.org")) == 1


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
async def test_a_wrong_password_is_refused(protocol: str, guarded: Postfix, caller: SmtpCaller) -> None:
    wrong = Account(ANN.username, "guessed")
    with pytest.raises(AuthenticationFailed, match="535") as caught:
        await caller.at(port_of(guarded, protocol), protocol, wrong).send()

    assert not caught.value.is_retryable
    assert "guessed" not in caught.value.message


async def test_a_server_that_wants_tls_and_is_spoken_to_in_the_clear_says_so(
    guarded: Postfix, caller: SmtpCaller
) -> None:
    with pytest.raises(TlsFailed, match="Must issue a STARTTLS command first"):
        await caller.at(guarded.smtp_port).send()


async def test_no_sign_in_where_one_is_needed_refuses_all_recipients(
    guarded: Postfix, caller: SmtpCaller
) -> None:
    variables = await caller.at(guarded.smtp_port, "TLS").send()

    assert variables["sent"] is False
    assert variables["refusedRecipients"][0]["code"] == 554
    assert "Access denied" in variables["refusedRecipients"][0]["message"]


async def test_starttls_that_is_not_offered_is_missed(certificates: Certificates, caller: SmtpCaller) -> None:
    with Postfix(certificates.server, PostfixOptions(offers_starttls=False)) as server:
        with pytest.raises(TlsFailed, match="does not offer STARTTLS"):
            await caller.at(server.smtp_port, "TLS").send()
        assert server.received() == []


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
@pytest.mark.parametrize("flaw", ["wrong_host", "expired"])
async def test_a_wrong_certificate_is_refused(
    flaw: str, protocol: str, certificates: Certificates, caller: SmtpCaller
) -> None:
    with Postfix(getattr(certificates, flaw)) as server, pytest.raises(TlsFailed, match="certificate"):
        await caller.at(port_of(server, protocol), protocol).send()


@pytest.mark.parametrize("protocol", ["TLS", "SSL"])
async def test_an_authority_that_is_not_trusted_is_refused(protocol: str, postfix: Postfix) -> None:
    stranger = SmtpCaller.open(ssl.create_default_context())
    with pytest.raises(TlsFailed, match="EMAIL_WORKER_TLS_CA_FILE"):
        await stranger.at(port_of(postfix, protocol), protocol).send()


async def test_refused_recipients_with_and_without_accepted_ones(
    postfix: Postfix, caller: SmtpCaller
) -> None:
    sender = caller.at(postfix.smtp_port, "TLS")
    some = await sender.send(to="some.reader@example.org", cc="refused@example.org")
    with pytest.raises(RecipientRefused, match=r"does not take deferred@example\.org now: 450"):
        await sender.send(to="refused@example.org, some.reader@example.org, deferred@example.org")
    none = await sender.send(to="refused@example.org")
    with pytest.raises(RecipientRefused, match="450") as caught:
        await sender.send(to="refused@example.org, deferred@example.org")
    again = await sender.send(to="some.reader@example.org", reference="job-2")

    assert some["sent"]
    assert [refused["code"] for refused in some["refusedRecipients"]] == [550]
    assert (none["sent"], none["refusedRecipients"][0]["address"]) == (False, "refused@example.org")
    assert caught.value.is_retryable
    assert again["sent"]
    assert len(await postfix.wait_for_mail("some.reader@example.org", 3)) == 3


async def test_a_mail_that_is_too_large_is_refused_permanently(guarded: Postfix, caller: SmtpCaller) -> None:
    variables = await caller.at(guarded.smtp_port, "TLS", ANN).send(body="x" * 200_000)

    assert variables["sent"] is False
    assert variables["error"]["code"] == 552


async def test_a_mail_that_is_too_large_is_refused_permanently_even_where_its_size_is_not_asked_for(
    certificates: Certificates, caller: SmtpCaller
) -> None:
    with Postfix(certificates.server, PostfixOptions(message_size_limit=100_000)) as server:
        async with CountingProxy(SmtpWire, server.smtp_port, ProxyOptions(removed=("SIZE",))) as proxy:
            variables = await caller.at(proxy.port).send(body="x" * 200_000)

    assert variables["error"]["code"] == 552


async def test_a_mailbox_beyond_ascii(postfix: Postfix, guarded: Postfix, caller: SmtpCaller) -> None:
    await caller.at(postfix.smtp_port, "TLS").send(to="Jürgen <jürgen@bücher.example>")
    with pytest.raises(NotSupported, match="jürgen@"):
        await caller.at(guarded.smtp_port, "TLS", ANN).send(to="jürgen@bücher.example")

    (mail,) = await postfix.wait_for_mail("jürgen@xn--bcher-kva.example")
    assert "To: =?utf-8?b?SsO8cmdlbg==?= <jürgen@xn--bcher-kva.example>".encode() in mail.raw


async def test_a_warm_session_sends_the_envelope_in_one_go_and_the_message_in_another(
    postfix: Postfix, caller: SmtpCaller
) -> None:
    async with CountingProxy(SmtpWire, postfix.smtp_port) as proxy:
        sender = caller.at(proxy.port)
        await sender.send(to="warm.reader@example.org")
        proxy.commands.clear()
        await sender.send(to="warm.reader@example.org")

    assert proxy.verbs == ["MAIL", "RCPT", "DATA", "."]
    assert [command.is_pipelined for command in proxy.commands] == [False, True, True, False]
    assert proxy.connections == 1


@pytest.mark.parametrize("removed", ["PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8"])
async def test_only_what_the_server_offers_is_used(
    removed: str, postfix: Postfix, caller: SmtpCaller
) -> None:
    async with CountingProxy(SmtpWire, postfix.smtp_port, ProxyOptions(removed=(removed,))) as proxy:
        answer = await caller.at(proxy.port).send(to="plain.reader@example.org", body="Grüße")

    assert answer["sent"]


async def test_an_idle_session_that_postfix_ends_costs_a_silent_reconnect(
    certificates: Certificates, caller: SmtpCaller
) -> None:
    with Postfix(certificates.server) as server:
        await caller.at(server.smtp_port, "TLS").send()
        # Whom it is stopped from telling that a mail is in its mailbox, Postfix delivers it once more.
        await server.wait_for_mail("bob@example.org")
        server.restart()
        answer = await caller.at(server.smtp_port, "TLS").send(reference="job-2")
        mails = await server.wait_for_mail("bob@example.org", 2)

    assert answer["sent"]
    assert len(mails) == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("when", list(Cut))
async def test_a_line_that_breaks_before_the_end_of_the_message_sends_nothing(
    when: Cut, verb: str, postfix: Postfix, caller: SmtpCaller
) -> None:
    recipient = f"cut.{verb}.{when.name}@example.org"
    async with CountingProxy(SmtpWire, postfix.smtp_port, ProxyOptions(removed=("PIPELINING",))) as proxy:
        proxy.cut(verb, when)
        with pytest.raises((ConnectionFailed, SendOutcomeUnknown)) as caught:
            await caller.at(proxy.port).send(to=recipient)
        if isinstance(caught.value, ConnectionFailed):
            await caller.at(proxy.port).send(to=recipient)

    if isinstance(caught.value, ConnectionFailed):
        assert len(await postfix.wait_for_mail(recipient)) == 1
    else:
        assert (verb, when) == ("DATA", Cut.AFTER_ANSWER)  # the small message was out with its end


async def test_a_line_that_breaks_after_the_end_of_the_message_is_never_tried_again(
    postfix: Postfix, caller: SmtpCaller
) -> None:
    async with CountingProxy(SmtpWire, postfix.smtp_port) as proxy:
        proxy.cut(".", Cut.BEFORE_ANSWER)
        with pytest.raises(SendOutcomeUnknown) as caught:
            await caller.at(proxy.port).send(to="lost.answer@example.org")

    assert caught.value.details["messageId"] == "<job-1@example.org>"
    assert len(await postfix.wait_for_mail("lost.answer@example.org")) == 1
