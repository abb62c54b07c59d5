"""Delete and move when the connection breaks at any command, and when two do it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from testkit.accounts import Account
from testkit.counting_proxy import Cut
from testkit.dovecot import Dovecot
from testkit.imap_caller import ImapCaller, Place, Spot
from testkit.imap_probe import ImapProbe, mail

from worker.errors import ConnectionFailed, MailServerError, MessageNotFound

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

MakeCaller = Callable[..., ImapCaller]
OpenPlace = Callable[[Spot, MakeCaller], "AbstractAsyncContextManager[Place]"]

WITHOUT = [(), ("MOVE",), ("UIDPLUS",), ("MOVE", "UIDPLUS")]
# More than any operation needs; the last rounds are not cut.
ROUNDS = range(1, 21)


@pytest.mark.parametrize("when", Cut)
@pytest.mark.parametrize(
    "removed", WITHOUT, ids=lambda removed: f"without {' and '.join(removed) or 'nothing'}"
)
async def test_a_move_that_is_cut_after_any_command_ends_with_one_mail_in_the_right_folder(
    dovecot: Dovecot,
    dovecot_account: Account,
    make_caller: MakeCaller,
    open_place: OpenPlace,
    removed: tuple[str, ...],
    when: Cut,
) -> None:
    async with open_place(Spot(dovecot.imap_port, dovecot_account, removed), make_caller) as place:
        place.probe.deliver(mail("other"), flags="\\Deleted")
        for number in ROUNDS:
            place.probe.deliver(mail(number))
            target = f"Target{number}"
            cuts = place.proxy.cuts
            place.caller.reference = f"job-{number}"
            place.proxy.cut(number, when)
            await repeat_where_it_broke(lambda: place.caller.move(f"{number}@example.org", target))  # noqa: B023
            assert place.probe.ids(target) == [f"{number}@example.org"]
            assert place.probe.ids() == ["other@example.org"]
        assert place.proxy.cuts == cuts, "the last rounds were still cut: more rounds are needed"


@pytest.mark.parametrize("when", Cut)
@pytest.mark.parametrize(
    "removed", WITHOUT[::2], ids=lambda removed: f"without {' and '.join(removed) or 'nothing'}"
)
async def test_a_delete_that_is_cut_after_any_command_ends_with_the_mail_gone_and_no_other(
    dovecot: Dovecot,
    dovecot_account: Account,
    make_caller: MakeCaller,
    open_place: OpenPlace,
    removed: tuple[str, ...],
    when: Cut,
) -> None:
    async with open_place(Spot(dovecot.imap_port, dovecot_account, removed), make_caller) as place:
        place.probe.deliver(mail("other"), flags="\\Deleted")
        for number in ROUNDS:
            place.probe.deliver(mail(number))
            cuts = place.proxy.cuts
            place.caller.reference = f"job-{number}"
            place.proxy.cut(number, when)
            deleted = await repeat_where_it_broke(lambda: place.caller.delete(f"{number}@example.org"))  # noqa: B023
            assert deleted["deleted"]
            assert place.probe.ids() == ["other@example.org"]
        assert place.proxy.cuts == cuts, "the last rounds were still cut: more rounds are needed"


@pytest.mark.parametrize("when", Cut)
async def test_an_append_that_is_cut_after_any_command_ends_with_one_mail(
    dovecot_place: Place, when: Cut
) -> None:
    place = dovecot_place
    for number in ROUNDS:
        cuts, target = place.proxy.cuts, f"Target{number}"
        place.caller.reference = f"job-{number}"
        place.proxy.cut(number, when)
        wanted = {"from": "ann@example.org", "subject": "x", "body": "x" * 9_000}
        await repeat_where_it_broke(lambda: place.caller.append(target, **wanted, message=f"{number}@x"))  # noqa: B023
        assert place.probe.ids(target) == [f"{number}@x"]
    assert place.proxy.cuts == cuts, "the last rounds were still cut: more rounds are needed"


@pytest.mark.parametrize("when", Cut)
@pytest.mark.parametrize("removed", WITHOUT[2:], ids=lambda removed: f"without {' and '.join(removed)}")
async def test_what_others_have_flagged_is_flagged_again_by_the_next_attempt(
    dovecot: Dovecot,
    dovecot_account: Account,
    make_caller: MakeCaller,
    open_place: OpenPlace,
    removed: tuple[str, ...],
    when: Cut,
) -> None:
    async with open_place(Spot(dovecot.imap_port, dovecot_account, removed), make_caller) as place:
        place.probe.deliver(mail("other"), flags="\\Deleted")
        for number in ROUNDS:
            place.probe.deliver(mail(number))
            place.caller.reference = f"job-{number}"
            place.proxy.cut(number, when)
            await repeat_where_it_broke(lambda: place.caller.delete(f"{number}@example.org"))  # noqa: B023
            (other,) = place.probe.messages()
            assert "\\Deleted" in other.flags


async def test_of_deletions_at_the_same_time_without_uidplus_each_takes_its_own_mail_alone(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller, open_place: OpenPlace
) -> None:
    async with open_place(Spot(dovecot.imap_port, dovecot_account, ("UIDPLUS",)), make_caller) as place:
        place.probe.deliver(mail("other"), flags="\\Deleted")
        for number in range(12):
            place.probe.deliver(mail(number))
        async with asyncio.TaskGroup() as group:
            for number in range(12):
                group.create_task(place.caller.delete(f"{number}@example.org"))
        (other,) = place.probe.messages()
        assert "\\Deleted" in other.flags


async def test_another_worker_says_where_the_mail_is_that_one_whose_connection_broke_has_moved(
    dovecot_place: Place, make_caller: MakeCaller
) -> None:
    place = dovecot_place
    place.probe.deliver(mail(1))
    place.proxy.cut("UID MOVE", Cut.BEFORE_ANSWER)
    with pytest.raises(ConnectionFailed):
        await place.caller.move("1@example.org", "Target")
    other = make_caller(place.spot.port, place.spot.account)
    with pytest.raises(MessageNotFound, match=r"earlier attempt of this job.*is in Target") as caught:
        await other.move("1@example.org", "Target")
    assert caught.value.details["foundIn"] == "Target"
    assert place.probe.ids("Target") == ["1@example.org"]


async def outcome_of_moving(number: int, worker: ImapCaller) -> str:
    """What one worker says; whose connection broke tries again, and cannot know who has moved the mail."""
    try:
        await worker.move(f"{number}@example.org", "Target")
    except MessageNotFound:
        return "not there"
    except ConnectionFailed:
        await worker.move(f"{number}@example.org", "Target")
        return "perhaps moved"
    return "moved"


@pytest.mark.parametrize("spot", ["dovecot", "greenmail", "cyrus"], indirect=True)
async def test_of_two_workers_that_move_one_mail_one_wins_and_nothing_is_doubled(
    spot: Spot, make_caller: MakeCaller
) -> None:
    probe = ImapProbe("127.0.0.1", spot.port, spot.account)
    workers = [make_caller(spot.port, spot.account) for _ in range(2)]
    for worker in workers:
        await worker.list_emails()
    for number in range(20):
        probe.deliver(mail(number))
        for name, worker in enumerate(workers):
            worker.reference = f"job-{number}-{name}"
        outcomes = await asyncio.gather(*(outcome_of_moving(number, worker) for worker in workers))
        has_one_winner = sorted(outcomes) == ["moved", "not there"]
        assert has_one_winner or (spot.ends_rival_moves and "perhaps moved" in outcomes), outcomes
    assert probe.ids() == []
    assert probe.ids("Target") == [f"{number}@example.org" for number in range(20)]


async def test_a_mail_like_one_that_is_in_the_target_already_is_moved_beside_it(dovecot_place: Place) -> None:
    place = dovecot_place
    place.probe.deliver(mail(1), "Target")
    place.probe.deliver(mail(1))
    await place.caller.move("1@example.org", "Target")
    assert place.probe.ids("Target") == ["1@example.org"] * 2


@pytest.mark.parametrize(
    "removed", WITHOUT, ids=lambda removed: f"without {' and '.join(removed) or 'nothing'}"
)
async def test_mails_that_differ_in_their_text_alone_are_not_taken_for_copies(
    dovecot: Dovecot,
    dovecot_account: Account,
    make_caller: MakeCaller,
    open_place: OpenPlace,
    removed: tuple[str, ...],
) -> None:
    async with open_place(Spot(dovecot.imap_port, dovecot_account, removed), make_caller) as place:
        texts = ("one\r\n", "two\r\n")
        for text in texts:
            place.probe.deliver(mail(message_id=None, body=text))
        first, second = [listed["messageId"] for listed in await place.caller.list_emails()]
        # The other worker knows of a time when nothing was in the target.
        other = make_caller(place.proxy.port, place.spot.account)
        await other.list_emails()
        await place.caller.move(first, "Target")
        await other.move(second, "Target")
        moved = [message.raw.decode() for message in place.probe.messages("Target")]
        assert [raw.partition("\r\n\r\n")[2] for raw in moved] == list(texts)
        assert place.probe.messages() == []


async def test_a_copy_is_known_again_though_its_id_has_no_brackets(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller, open_place: OpenPlace
) -> None:
    async with open_place(Spot(dovecot.imap_port, dovecot_account, ("MOVE",)), make_caller) as place:
        place.probe.deliver(mail(message_id="bare@example.org"))
        place.proxy.cut("UID COPY", Cut.BEFORE_ANSWER)
        await repeat_where_it_broke(lambda: place.caller.move("bare@example.org", "Target"))
        assert len(place.probe.messages("Target")) == 1
        assert place.probe.messages() == []


async def test_what_has_changed_something_says_so(dovecot_place: Place) -> None:
    place = dovecot_place
    place.probe.deliver(mail(1))
    await place.caller.move("1@example.org", "inbox")
    await place.caller.read("1@example.org")
    await place.caller.delete("1@example.org")
    assert [answer.has_effect for answer in place.caller.answers] == [False, False, True]
    place.probe.deliver(mail(2))
    await place.caller.move("2@example.org", "Target")
    assert place.caller.answers[-1].has_effect


async def test_what_changes_something_is_not_repeated_on_a_session_that_died(dovecot_place: Place) -> None:
    place = dovecot_place
    await place.caller.list_emails()
    place.probe.deliver(mail(1))
    place.proxy.cut("UID STORE", Cut.BEFORE_COMMAND)
    with pytest.raises(ConnectionFailed):
        await place.caller.delete("1@example.org")


@pytest.mark.parametrize("verb", ["NOOP", "UID SEARCH", "UID FETCH"])
async def test_a_session_that_died_while_idle_costs_one_silent_reconnect(
    dovecot_place: Place, verb: str
) -> None:
    place = dovecot_place
    place.probe.deliver(mail(1))
    await place.caller.list_emails()
    place.proxy.cut(verb, Cut.BEFORE_COMMAND)
    assert (await place.caller.read("1@example.org"))["messageId"] == "<1@example.org>"
    assert place.proxy.connections == 2


async def repeat_where_it_broke(operation: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Do it again, as the engine does after a failure that may pass."""
    for _ in range(3):
        try:
            return await operation()
        except MailServerError as error:
            if not error.is_retryable:
                raise
    raise AssertionError("three attempts were not enough")
