"""A server that hangs, dies, drips or talks nonsense at each step: the right error, the mail never twice."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from dataclasses import dataclass
from typing import cast

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
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
    sequence,
)
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep
from testkit.smtp_caller import PATIENT, SmtpCaller

from worker.errors import (
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    SendOutcomeUnknown,
    ServerTimeout,
    ServerUnavailable,
)
from worker.mail.account import Account as MailAccount
from worker.mail.account import Encryption, MailProtocol
from worker.mail.message.compose import ComposedMessage
from worker.mail.smtp.connection import SmtpConnection
from worker.mail.smtp.replies import Delivery, Recipients

ANN = Account("ann@example.org", "s3cret")
LARGE = "x" * 10_000_000

FAULTS: dict[str, tuple[Step, type[MailServerError]]] = {
    "hangs": (hang(), ServerTimeout),
    "closes": (close(), ConnectionFailed),
    "resets": (reset(), ConnectionFailed),
    "drips": (drip("250 " + "x" * 200), ServerTimeout),
    "babbles": (sequence(garbage(), hang()), ProtocolViolation),
    "never ends its line": (endless_line(), ProtocolViolation),
    "answers with no known code": (sequence(say("999 what"), hang()), ProtocolViolation),
    "says goodbye": (sequence(say("421 4.3.2 Shutting down"), close()), ServerUnavailable),
}
BEFORE_THE_END = (
    SmtpStep.GREETING,
    SmtpStep.EHLO,
    SmtpStep.STARTTLS,
    SmtpStep.AUTH,
    SmtpStep.MAIL,
    SmtpStep.RCPT,
    SmtpStep.DATA,
)
AFTER_THE_END = (SmtpStep.DOT, SmtpStep.ANSWER)


async def stop_reading(dialogue: Dialogue) -> None:
    """Let the connection fill up."""
    cast("asyncio.Transport", dialogue._writer.transport).pause_reading()
    await asyncio.Event().wait()


@dataclass(frozen=True)
class Callers:
    """One with time, and one in a hurry for servers that say nothing more."""

    patient: SmtpCaller
    hasty: SmtpCaller

    def facing(self, error: type[MailServerError]) -> SmtpCaller:
        return self.hasty if error is ServerTimeout else self.patient


@pytest.fixture
def callers(caller: SmtpCaller, hasty_caller: SmtpCaller) -> Callers:
    return Callers(caller, hasty_caller)


with_and_without_pipelining = pytest.mark.parametrize(
    "extensions", [("PIPELINING", "SIZE 99999999"), ()], ids=["pipelining", "one by one"]
)


def options_of(certificates: Certificates, extensions: tuple[str, ...]) -> SmtpOptions:
    """A server that asks for all steps, and behaves from the second connection on."""
    starttls = certificates.server.server_context()
    return SmtpOptions(starttls=starttls, account=ANN, extensions=extensions, faulty_connections=1)


@with_and_without_pipelining
@pytest.mark.parametrize("step", BEFORE_THE_END)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_before_the_end_of_the_message_is_worth_a_retry_that_sends_it_once(
    fault: str,
    step: SmtpStep,
    extensions: tuple[str, ...],
    callers: Callers,
    certificates: Certificates,
) -> None:
    play, expected = FAULTS[fault]
    async with ScriptedSmtp({step: play}, options_of(certificates, extensions)) as server:
        with pytest.raises(expected) as caught:
            await callers.facing(expected).at(server.port, "TLS", ANN).send()
        await callers.patient.at(server.port, "TLS", ANN).send()

    assert caught.value.is_retryable
    assert caught.value.details["server"] == f"127.0.0.1:{server.port}"
    assert len(server.accepted) == 1


@with_and_without_pipelining
@pytest.mark.parametrize("step", AFTER_THE_END)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "says goodbye"])
async def test_a_fault_after_the_end_of_the_message_leaves_the_outcome_unknown_and_is_not_retried(
    fault: str,
    step: SmtpStep,
    extensions: tuple[str, ...],
    callers: Callers,
    certificates: Certificates,
) -> None:
    play, usual = FAULTS[fault]
    async with ScriptedSmtp({step: play}, options_of(certificates, extensions)) as server:
        with pytest.raises(SendOutcomeUnknown) as caught:
            await callers.facing(usual).at(server.port, "TLS", ANN).send()

    assert not caught.value.is_retryable
    assert caught.value.details["messageId"] == "<job-1@example.org>"
    assert server.connections == 1
    assert len(server.accepted) == (step is SmtpStep.ANSWER)


async def test_a_question_in_place_of_a_verdict_leaves_the_outcome_unknown(caller: SmtpCaller) -> None:
    async with ScriptedSmtp({SmtpStep.ANSWER: say("354 More?")}) as server:
        with pytest.raises(SendOutcomeUnknown):
            await caller.at(server.port).send()

    assert caller.pool.open_sessions == 0


async def test_a_server_that_says_goodbye_after_the_message_has_not_taken_it(caller: SmtpCaller) -> None:
    play, expected = FAULTS["says goodbye"]
    async with ScriptedSmtp({SmtpStep.DOT: play}, SmtpOptions(faulty_connections=1)) as server:
        with pytest.raises(expected):
            await caller.at(server.port).send()
        await caller.at(server.port).send()

    assert len(server.accepted) == 1


@pytest.mark.parametrize("protocol", ["NONE", "TLS", "SSL"])
@pytest.mark.parametrize(
    ("play", "expected"),
    [(close(), ConnectionFailed), (reset(), ConnectionFailed), (stop_reading, ServerTimeout)],
    ids=["closes", "resets", "stops reading"],
)
async def test_a_fault_in_the_middle_of_a_large_message_is_worth_a_retry(
    play: Step,
    expected: type[MailServerError],
    protocol: str,
    callers: Callers,
    certificates: Certificates,
) -> None:
    context = certificates.server.server_context()
    options = SmtpOptions(
        starttls=context if protocol == "TLS" else None, tls=context if protocol == "SSL" else None
    )
    async with ScriptedSmtp({SmtpStep.BODY: play}, options) as server:
        with pytest.raises(expected) as caught:
            await callers.facing(expected).at(server.port, protocol).send(body=LARGE)

    assert caught.value.is_retryable
    assert server.accepted == []


async def test_an_end_that_the_system_refuses_to_send_is_not_with_the_server() -> None:
    """Else a connection that was reset meanwhile would leave the outcome unknown."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, *listener.getsockname()
        )
        peer, _ = listener.accept()
        # Without lingering, closing resets; what follows comes before the event loop can see it.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        connection = SmtpConnection("mail.example.org:25", transport, PATIENT)
        with pytest.raises(ConnectionFailed):
            connection.write(".", content=b"Hello\r\n")


@pytest.mark.parametrize("size", [10, 10_000_000], ids=["small", "large"])
async def test_a_check_that_fails_right_before_the_end_of_the_message_sends_nothing(
    size: int, caller: SmtpCaller
) -> None:
    def fail() -> None:
        raise RuntimeError("the job may be another worker's by now")

    message = ComposedMessage("<1@x>", "ann@x", ("bob@x",), content=b"\r\n" + b"x" * size + b"\r\n")
    async with ScriptedSmtp() as server:
        account = MailAccount(MailProtocol.SMTP, "127.0.0.1", server.port, Encryption.NONE)
        with pytest.raises(RuntimeError, match="another worker"):
            await caller.pool.run(account, lambda session: session.send(message, set(), fail))
        await caller.pool.run(account, lambda session: session.send(message, set()))

    assert len(server.accepted) == 1
    assert server.connections == 2


async def test_a_server_that_is_not_there_is_worth_a_retry(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        port = server.port

    with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}"):
        await caller.at(port).send()


async def test_a_host_that_is_not_known_is_named(caller: SmtpCaller) -> None:
    with pytest.raises(ConnectionFailed, match=r"Cannot resolve the host mail\.invalid; check its name"):
        await caller.at(25, host="mail.invalid").send()


@with_and_without_pipelining
async def test_work_cancelled_before_the_end_of_the_message_sends_nothing(
    extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    options = SmtpOptions(extensions=extensions)
    async with ScriptedSmtp({SmtpStep.DATA: hang()}, options) as server:
        work = asyncio.create_task(caller.at(server.port).send())
        await server.heard("DATA")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    assert server.accepted == []
    assert caller.pool.open_sessions == 0


async def test_work_cancelled_after_the_end_of_the_message_leaves_the_outcome_unknown(
    caller: SmtpCaller,
) -> None:
    has_message = asyncio.Event()

    async def note_and_hang(dialogue: Dialogue) -> None:
        has_message.set()
        await dialogue.wait_for_the_end()

    async with ScriptedSmtp({SmtpStep.DOT: note_and_hang}) as server:
        work = asyncio.create_task(caller.at(server.port).send())
        await has_message.wait()
        work.cancel()
        with pytest.raises(SendOutcomeUnknown):
            await work

    assert caller.pool.open_sessions == 0


async def test_work_cancelled_after_the_answer_to_a_message_for_many_is_sent(
    caller: SmtpCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_told, may_end = threading.Event(), threading.Event()
    tell = Recipients.delivery

    def tell_slowly(recipients: Recipients) -> Delivery:
        is_told.set()
        may_end.wait(30)
        return tell(recipients)

    monkeypatch.setattr(Recipients, "delivery", tell_slowly)
    async with ScriptedSmtp() as server:
        to = [f"user{number}@example.org" for number in range(150)]
        work = asyncio.create_task(caller.at(server.port).send(to=to))
        await asyncio.to_thread(is_told.wait, 30)
        work.cancel()
        await asyncio.sleep(0)
        may_end.set()
        assert (await work)["sent"]


async def test_a_large_message_to_a_server_that_does_not_read_delays_no_other_job(
    caller: SmtpCaller,
) -> None:
    reads_again = asyncio.Event()

    async def pause(dialogue: Dialogue) -> None:
        transport = cast("asyncio.Transport", dialogue._writer.transport)
        transport.pause_reading()
        await reads_again.wait()
        transport.resume_reading()

    async with ScriptedSmtp({SmtpStep.BODY: pause}) as slow, ScriptedSmtp() as quick:
        work = asyncio.create_task(caller.at(slow.port).send(body=LARGE))
        await slow.heard("DATA")
        for _ in range(20):
            await caller.at(quick.port).send()
        assert not work.done()
        reads_again.set()
        assert (await work)["sent"]

    assert len(slow.accepted[0].raw) > len(LARGE)
