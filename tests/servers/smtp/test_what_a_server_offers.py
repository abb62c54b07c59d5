"""A server that wants a name, offers other sign-ins, or speaks TLS unexpectedly: the error says so."""

from __future__ import annotations

import ssl
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from testkit.accounts import Account
from testkit.scripted_server import ScriptedServer, close, expect, hang, say, sequence
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.smtp_caller import PATIENT

from worker.errors import NotSupported, ServerRefused, ServerTimeout, TlsFailed
from worker.mail.pool import Pool, PoolLimits
from worker.mail.smtp.opening import open_smtp_session

if TYPE_CHECKING:
    from testkit.certificates import Certificates
    from testkit.smtp_caller import SmtpCaller

ANN = Account("ann@example.org", "s3cret")
REFUSED = "501 5.5.4 Invalid domain name"


async def test_the_name_that_the_operator_sets_is_given(caller: SmtpCaller) -> None:
    context = ssl.create_default_context()
    open_session = partial(
        open_smtp_session, tls_context=context, timeouts=PATIENT, helo_name="worker.example.com"
    )
    pool = Pool(open_session, PoolLimits())
    async with ScriptedSmtp() as server:
        await replace(caller, pool=pool).at(server.port).send()
        await pool.close()

    assert server.commands[0] == "EHLO worker.example.com"


@pytest.mark.parametrize("protocol", ["TLS", "NONE"])
async def test_a_refused_ehlo_is_quoted(
    protocol: str, caller: SmtpCaller, certificates: Certificates
) -> None:
    """Without it nobody knows what the server offers."""
    options = SmtpOptions(starttls=certificates.server.server_context(), account=ANN)
    async with ScriptedSmtp({SmtpStep.EHLO: sequence(say(REFUSED), hang())}, options) as server:
        with pytest.raises(ServerRefused, match=r"refused EHLO .*: 501 .*EMAIL_WORKER_SMTP_HELO_NAME"):
            await caller.at(server.port, protocol, ANN).send()

    assert not any(command.startswith(("STARTTLS", "AUTH")) for command in server.commands)


async def test_a_server_that_refuses_every_name_is_quoted(caller: SmtpCaller) -> None:
    script = [say("220 ready"), expect("EHLO", REFUSED), expect("HELO", "504 5.5.2 No such name"), close()]
    async with ScriptedServer(script) as server:
        with pytest.raises(ServerRefused, match=r"504 5\.5\.2 No such name"):
            await caller.at(server.port).send()


async def test_a_server_that_offers_other_sign_ins_alone_is_said_to(caller: SmtpCaller) -> None:
    options = SmtpOptions(extensions=("AUTH XOAUTH2 NTLM",))
    async with ScriptedSmtp(options=options) as server:
        with pytest.raises(NotSupported, match="XOAUTH2, NTLM") as caught:
            await caller.at(server.port, "NONE", ANN).send()

    assert "noAuth" not in caught.value.message
    assert not any(command.startswith("AUTH") for command in server.commands)


async def test_a_server_that_offers_no_sign_in_is_said_to(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        with pytest.raises(NotSupported, match=r"offers no sign-in on this connection.*noAuth"):
            await caller.at(server.port, "NONE", ANN).send()


@pytest.mark.parametrize("protocol", ["TLS", "NONE"])
async def test_a_port_that_begins_with_tls_and_says_nothing_is_said_to_need_ssl(
    protocol: str, hasty_caller: SmtpCaller
) -> None:
    async with ScriptedServer([hang()]) as server:
        with pytest.raises(ServerTimeout, match=r"gave no greeting within .* choose SSL"):
            await hasty_caller.at(server.port, protocol).send()


async def test_a_port_that_does_not_begin_with_tls_is_said_not_to(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        with pytest.raises(TlsFailed, match=r"does not begin with TLS .* STARTTLS"):
            await caller.at(server.port, "SSL").send()


@pytest.mark.parametrize("host", ["localhost.", "LOCALHOST", "LocalHost."])
async def test_a_host_is_verified_under_its_one_spelling(
    host: str, caller: SmtpCaller, certificates: Certificates
) -> None:
    options = SmtpOptions(tls=certificates.server.server_context())
    async with ScriptedSmtp(options=options) as server:
        assert (await caller.at(server.port, "SSL", host=host).send())["sent"]
        assert (await caller.at(server.port, "SSL", host="localhost").send())["sent"]

    assert server.connections == 1
