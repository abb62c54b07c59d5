from __future__ import annotations

from typing import TYPE_CHECKING

import aiosmtplib
import pytest
from testkit.accounts import Account
from testkit.postfix import Postfix, PostfixOptions

if TYPE_CHECKING:
    from testkit.certificates import Certificates

MAIL = b"Subject: hello\r\n\r\n.dotted\r\nend\r\n"


def client(server: Postfix, certificates: Certificates, *, start_tls: bool | None = None) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname="localhost",
        port=server.smtp_port,
        timeout=60,
        start_tls=start_tls,
        tls_context=certificates.client_context(),
    )


async def test_postfix_delivers_a_copy_for_each_recipient(
    postfix: Postfix, certificates: Certificates
) -> None:
    async with client(postfix, certificates, start_tls=True) as smtp:
        await smtp.sendmail("ann@example.org", ["bob@one.example", "cid@one.example"], MAIL)
    (mail,) = await postfix.wait_for_mail("bob@one.example")
    assert mail.sender == "ann@example.org"
    assert mail.raw.endswith(MAIL.replace(b"\r\n", b"\n"))
    assert len(postfix.received("cid@one.example")) == 1


async def test_postfix_speaks_tls_from_the_first_byte(postfix: Postfix, certificates: Certificates) -> None:
    smtp = aiosmtplib.SMTP(
        hostname="localhost",
        port=postfix.smtps_port,
        timeout=60,
        use_tls=True,
        tls_context=certificates.client_context(),
    )
    async with smtp:
        assert (await smtp.noop()).code == 250


async def test_postfix_takes_a_mailbox_that_is_not_ascii(
    postfix: Postfix, certificates: Certificates
) -> None:
    async with client(postfix, certificates) as smtp:
        await smtp.sendmail("ann@example.org", ["zoë@exämple.org"], MAIL, mail_options=["SMTPUTF8"])
    assert len(await postfix.wait_for_mail("zoë@exämple.org")) == 1


async def test_postfix_refuses_some_recipients_permanently_and_others_temporarily(
    postfix: Postfix, certificates: Certificates
) -> None:
    everybody = ["bob@two.example", "refused@example.org", "deferred@example.org"]
    async with client(postfix, certificates) as smtp:
        refused, _ = await smtp.sendmail("ann@example.org", everybody, MAIL)
    assert {address: reply[0] for address, reply in refused.items()} == {
        "refused@example.org": 550,
        "deferred@example.org": 450,
    }
    assert len(await postfix.wait_for_mail("bob@two.example")) == 1


async def test_postfix_accepts_email_only_after_tls_and_sign_in_if_configured(
    certificates: Certificates,
) -> None:
    account = Account("ann", "gehëim")
    options = PostfixOptions(
        account=account, requires_tls=True, message_size_limit=2000, offers_smtputf8=False
    )
    with Postfix(certificates.server, options) as server:
        async with client(server, certificates, start_tls=False) as smtp:
            with pytest.raises(aiosmtplib.SMTPSenderRefused, match="STARTTLS"):
                await smtp.sendmail("ann@example.org", ["bob@example.org"], MAIL)
        async with client(server, certificates, start_tls=True) as smtp:
            assert not smtp.supports_extension("smtputf8")
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                await smtp.sendmail("ann@example.org", ["bob@example.org"], MAIL)
            with pytest.raises(aiosmtplib.SMTPAuthenticationError):
                await smtp.login("ann", "wrong")
            await smtp.login(account.username, account.password)
            await smtp.sendmail("ann@example.org", ["bob@example.org"], MAIL)
            with pytest.raises(aiosmtplib.SMTPException, match="size"):
                await smtp.sendmail("ann@example.org", ["bob@example.org"], MAIL + b"x" * 3000)
        assert len(await server.wait_for_mail("bob@example.org")) == 1


async def test_a_killed_postfix_comes_back_with_its_mail_on_its_ports(certificates: Certificates) -> None:
    with Postfix(certificates.server) as server:
        async with client(server, certificates) as smtp:
            await smtp.sendmail("ann@example.org", ["bob@example.org"], MAIL)
            await server.wait_for_mail("bob@example.org")
            server.kill()
            with pytest.raises(aiosmtplib.SMTPServerDisconnected):
                await smtp.noop()
        server.start()
        async with client(server, certificates) as smtp:
            await smtp.sendmail("ann@example.org", ["bob@example.org"], MAIL)
        assert len(await server.wait_for_mail("bob@example.org", 2)) == 2
