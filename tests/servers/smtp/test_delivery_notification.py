"""Delivery status notifications (RFC 3461), where the server has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions

from worker.errors import NotSupported

if TYPE_CHECKING:
    from testkit.postfix import Postfix
    from testkit.smtp_caller import SmtpCaller


async def test_the_requested_notification_is_sent_with_each_recipient(caller: SmtpCaller) -> None:
    options = SmtpOptions(extensions=("PIPELINING", "DSN"))
    async with ScriptedSmtp(options=options) as server:
        await caller.at(server.port).send(to="a+b@example.org", notify="FAILURE, DELAY")
        await caller.at(server.port).send(to="a+b@example.org")
    mail, plain = [command for command in server.commands if command.startswith("MAIL")]
    assert " RET=HDRS ENVID=job-1@" in mail
    assert "RET" not in plain
    asked, usual = [command for command in server.commands if command.startswith("RCPT")]
    assert asked == "RCPT TO:<a+b@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+2Bb@example.org"
    assert usual == "RCPT TO:<a+b@example.org>"


async def test_a_server_without_it_is_a_failure_only_if_asked(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        with pytest.raises(NotSupported, match="lacks DSN"):
            await caller.at(server.port).send(notify="NEVER")
        assert not server.accepted
        assert (await caller.at(server.port).send())["sent"]


async def test_postfix_tells_of_a_delivery(postfix: Postfix, caller: SmtpCaller) -> None:
    sent = await caller.at(postfix.smtp_port).send(
        **{"from": "notified@example.org"}, to="notify.reader@example.org", notify="SUCCESS"
    )
    (report, *_) = await postfix.wait_for_mail("notified@example.org")
    assert sent["messageId"].strip("<>").encode() in report.raw
