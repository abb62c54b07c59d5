"""Several recipients: each gets the email once, whatever the server says of the others, and of how many."""

from __future__ import annotations

from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest
from testkit.scripted_server import Dialogue, close, sequence
from testkit.scripted_smtp import ScriptedSmtp, SmtpOptions, SmtpStep

from worker.errors import ConnectionFailed, MessageRefused, RecipientRefused, SendOutcomeUnknown

if TYPE_CHECKING:
    from testkit.scripted_server import Step
    from testkit.smtp_caller import SmtpCaller

ANN, BOB, CID = "ann@example.org", "bob@example.org", "cid@example.org"
GREYLISTED = "450 4.2.0 Greylisted, come back later"
with_and_without_pipelining = pytest.mark.parametrize(
    "extensions", [("PIPELINING",), ()], ids=["pipelining", "one by one"]
)


def from_the_second(step: Step, usual: str) -> Step:
    """The usual answer to the first transaction, then `step`."""
    count = 0

    async def play(dialogue: Dialogue) -> None:
        nonlocal count
        count += 1
        if count == 1:
            await dialogue.say(usual)
        else:
            await step(dialogue)

    return play


def say_and_go_on(line: str) -> Step:
    async def play(dialogue: Dialogue) -> None:
        await dialogue.say(line)

    return play


@with_and_without_pipelining
@pytest.mark.parametrize(
    "too_many",
    ["452 4.5.3 Too many recipients", "552 Too many recipients", "451 4.5.3 Too many", "550 5.5.3 Too many"],
)
async def test_recipients_over_the_limit_of_a_server_get_the_email_in_further_transactions(
    too_many: str, extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    everybody = [f"u{number}@example.org" for number in range(25)]
    options = SmtpOptions(extensions=extensions, most_recipients=10, too_many=too_many)
    async with ScriptedSmtp(options=options) as server:
        result = await caller.at(server.port).send(to=everybody)

    assert result["sent"]
    assert "refusedRecipients" not in result
    assert [len(mail.recipients) for mail in server.accepted] == [10, 10, 5]
    assert sorted(each for mail in server.accepted for each in mail.recipients) == sorted(everybody)
    assert {message_from_bytes(mail.raw)["Message-ID"] for mail in server.accepted} == {"<job-1@example.org>"}
    assert server.connections == 1


async def test_a_refused_sender_ends_the_transaction_before_all_recipients_are_named(
    caller: SmtpCaller,
) -> None:
    everybody = [f"u{number}@example.org" for number in range(250)]
    options = SmtpOptions(extensions=("PIPELINING",))
    refuse: dict[SmtpStep, Step] = {SmtpStep.MAIL: say_and_go_on("550 5.7.1 Not you")}
    async with ScriptedSmtp(refuse, options=options) as server:
        result = await caller.at(server.port).send(to=everybody)

    assert result["error"] == {"code": 550, "message": "5.7.1 Not you"}
    assert sum(command.startswith("RCPT") for command in server.commands) < 100


@with_and_without_pipelining
async def test_a_recipient_that_is_greylisted_gets_the_email_alone_with_the_next_attempt(
    extensions: tuple[str, ...], caller: SmtpCaller
) -> None:
    delivered: set[str] = set()
    refused = {BOB: GREYLISTED, CID: "550 5.1.1 Unknown"}
    options = SmtpOptions(extensions=extensions, refused=refused)
    async with ScriptedSmtp(options=options) as server:
        with pytest.raises(RecipientRefused, match=r"does not take bob@example\.org now: 450") as caught:
            await caller.at(server.port).send(to=[ANN, BOB, CID], delivered=delivered)
        del refused[BOB]
        result = await caller.at(server.port).send(to=[ANN, BOB, CID], delivered=delivered)

    assert caught.value.is_retryable
    assert caught.value.details["deliveredRecipients"] == [ANN]
    assert "1 of 3 recipients have the email" in caught.value.message
    assert [mail.recipients for mail in server.accepted] == [[ANN], [BOB]]
    assert result["sent"]
    assert [each["address"] for each in result["refusedRecipients"]] == [CID]


async def test_a_full_mailbox_is_refused_permanently_and_not_one_recipient_too_many(
    caller: SmtpCaller,
) -> None:
    options = SmtpOptions(refused={BOB: "552 5.2.2 Mailbox full"})
    async with ScriptedSmtp(options=options) as server:
        result = await caller.at(server.port).send(to=[ANN, BOB])

    assert [each["address"] for each in result["refusedRecipients"]] == [BOB]
    assert len(server.accepted) == 1


async def test_a_recipient_limit_that_admits_no_recipient_ends_the_attempt(caller: SmtpCaller) -> None:
    options = SmtpOptions(most_recipients=0)
    async with ScriptedSmtp(options=options) as server:
        with pytest.raises(RecipientRefused, match="takes none of the recipients now: 452"):
            await caller.at(server.port).send(to=[ANN, BOB])

    assert server.accepted == []


@pytest.mark.parametrize(
    ("step", "play", "error"),
    [
        (SmtpStep.MAIL, close(), ConnectionFailed),
        (SmtpStep.MAIL, say_and_go_on("451 4.3.0 Too fast"), MessageRefused),
        (SmtpStep.DOT, sequence(close()), SendOutcomeUnknown),
    ],
    ids=["the connection breaks", "refused for now", "the outcome is unknown"],
)
async def test_a_fault_in_a_later_transaction_leaves_known_who_has_the_email(
    step: SmtpStep, play: Step, error: type[Exception], caller: SmtpCaller
) -> None:
    delivered: set[str] = set()
    usual = "250 2.1.0 Ok"
    options = SmtpOptions(most_recipients=1, extensions=())
    if step is SmtpStep.DOT:
        step, usual = SmtpStep.ANSWER, "250 2.0.0 Accepted"
    async with ScriptedSmtp({step: from_the_second(play, usual)}, options) as server:
        with pytest.raises(error) as caught:
            await caller.at(server.port).send(to=[ANN, BOB], delivered=delivered)

    assert delivered == {ANN}
    assert caught.value.details["deliveredRecipients"] == [ANN]  # type: ignore[attr-defined]


async def test_a_message_refused_permanently_in_a_later_transaction_is_sent_to_the_others(
    caller: SmtpCaller,
) -> None:
    refusal = from_the_second(say_and_go_on("554 5.7.1 Enough for today"), "250 2.0.0 Accepted")
    options = SmtpOptions(most_recipients=1)
    async with ScriptedSmtp({SmtpStep.ANSWER: refusal}, options) as server:
        result = await caller.at(server.port).send(to=[ANN, BOB, CID])

    assert result["sent"]
    assert [(each["address"], each["code"]) for each in result["refusedRecipients"]] == [
        (BOB, 554),
        (CID, 554),
    ]
    assert "error" not in result


async def test_an_email_that_all_have_is_not_sent_again(caller: SmtpCaller) -> None:
    async with ScriptedSmtp() as server:
        assert (await caller.at(server.port).send(to=[ANN, BOB], delivered={ANN, BOB}))["sent"]

    assert server.accepted == []
