"""A worker that stands still at any command until another one has done its job changes nothing afterwards."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING

import pytest
from testkit.accounts import Account
from testkit.counting_proxy import Cut
from testkit.dovecot import Dovecot
from testkit.imap_caller import ImapCaller, Place, Spot
from testkit.imap_probe import mail

from worker.errors import MessageNotFound, ServerUnavailable
from worker.job.engine_errors import JobGone

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

MakeCaller = Callable[..., ImapCaller]
OpenPlace = Callable[[Spot, MakeCaller], "AbstractAsyncContextManager[Place]"]
OpenWorkers = Callable[[tuple[str, ...]], "AbstractAsyncContextManager[Place]"]
Work = Callable[[ImapCaller], Awaitable[object]]

WITHOUT = [(), ("MOVE",), ("UIDPLUS",), ("MOVE", "UIDPLUS")]
LIMIT_SECONDS = 60
PAUSES = [Cut.BEFORE_COMMAND, Cut.BEFORE_ANSWER]
# And STORE, by which others' flags are put back.
CHANGING = {"CREATE", "UID MOVE", "UID COPY", "UID EXPUNGE", "EXPUNGE", "APPEND"}
COPY = {"from": "ann@example.org", "to": "bob@example.org", "subject": "Copy", "body": "Hello"}


def without(removed: list[tuple[str, ...]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "removed", removed, ids=lambda names: f"without {' and '.join(names) or 'nothing'}"
    )


@dataclass
class Lease:
    """The job's timeout, which passes when a test says so."""

    is_over: bool = False

    def check(self) -> None:
        if self.is_over:
            raise JobGone("its timeout has passed")


@dataclass
class Workers:
    """Two workers that get the same job: the first stands still, and its lease ends."""

    place: Place
    second: ImapCaller

    async def at_each_command(
        self, when: Cut, begin: Callable[[int], Work], *, is_killed: bool = False
    ) -> AsyncIterator[int]:
        """Pause the first at one command after the other; gives its number after both have worked.

        `begin`: makes ready for the attempt of that number, and gives the work.
        """
        for at in itertools.count(1):
            is_paused = await self.work(at, when, begin(at), is_killed=is_killed)
            yield at
            if not is_paused:
                return

    async def work(self, at: int, when: Cut, work: Work, *, is_killed: bool = False) -> bool:
        """Do it by both, the second while the first stands still; tell whether it came so far.

        `is_killed`: the first does not go on; what it has sent arrives all the same.
        """
        first, lease = self.place.caller, Lease()
        first.may_change = lease.check
        hold = self.place.proxy.hold(at, when)
        paused = asyncio.ensure_future(work(first))
        reached = asyncio.ensure_future(hold.reached.wait())
        await asyncio.wait([paused, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        lease.is_over = True
        is_paused = hold.reached.is_set()
        if is_killed:
            paused.cancel()
        try:
            if is_paused:
                with suppress(MessageNotFound):
                    await work(self.second)
                self.place.proxy.commands.clear()
        finally:
            hold.release()
            (outcome,) = await asyncio.gather(paused, return_exceptions=True)
        if isinstance(outcome, BaseException):
            ending = asyncio.CancelledError if is_killed else JobGone
            assert isinstance(outcome, MessageNotFound | ending)
        if is_paused:
            assert CHANGING.isdisjoint(self.place.proxy.verbs)
        return is_paused


@pytest.fixture
def open_workers(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller, open_place: OpenPlace
) -> OpenWorkers:
    return lambda removed: open_place(Spot(dovecot.imap_port, dovecot_account, removed), make_caller)


@pytest.mark.parametrize("is_killed", [False, True], ids=["goes on", "killed"])
@pytest.mark.parametrize("when", PAUSES)
@without(WITHOUT)
async def test_a_mail_that_two_workers_move_is_in_one_folder_once(
    open_workers: OpenWorkers,
    removed: tuple[str, ...],
    when: Cut,
    is_killed: bool,
) -> None:
    async with open_workers(removed) as place, open_workers(removed) as other:
        workers = Workers(place, other.caller)
        place.probe.deliver(mail("other"), flags="\\Deleted")

        def begin(at: int) -> Work:
            place.probe.deliver(mail(at))
            return methodcaller("move", f"{at}@example.org", f"Target{at}")

        async for at in workers.at_each_command(when, begin, is_killed=is_killed):
            assert place.probe.ids(f"Target{at}") == [f"{at}@example.org"]
            (left,) = place.probe.messages()
            assert "\\Deleted" in left.flags or is_killed


@pytest.mark.parametrize("is_killed", [False, True], ids=["goes on", "killed"])
@pytest.mark.parametrize("when", PAUSES)
@without(WITHOUT[::2])
async def test_of_two_workers_that_delete_a_mail_none_takes_another(
    open_workers: OpenWorkers,
    removed: tuple[str, ...],
    when: Cut,
    is_killed: bool,
) -> None:
    async with open_workers(removed) as place, open_workers(removed) as other:
        workers = Workers(place, other.caller)
        place.probe.deliver(mail("other"), flags="\\Deleted")

        def begin(at: int) -> Work:
            place.probe.deliver(mail(at))
            return methodcaller("delete", f"{at}@example.org")

        async for _ in workers.at_each_command(when, begin, is_killed=is_killed):
            (left,) = place.probe.messages()
            assert "\\Deleted" in left.flags or is_killed


@pytest.mark.parametrize("when", PAUSES)
async def test_a_copy_that_two_workers_put_into_a_folder_is_there_once(
    open_workers: OpenWorkers, when: Cut
) -> None:
    async with open_workers(()) as place, open_workers(()) as other:
        workers = Workers(place, other.caller)

        def begin(at: int) -> Work:
            return methodcaller("append", f"Folder{at}", **COPY, message=f"{at}@example.org")

        async for at in workers.at_each_command(when, begin):
            assert place.probe.ids(f"Folder{at}") == [f"{at}@example.org"]


@pytest.mark.parametrize("removed", [(), ("MOVE",)], ids=["with MOVE", "without MOVE"])
async def test_a_folder_that_is_gone_is_not_created_for_another_workers_job(
    open_workers: OpenWorkers, removed: tuple[str, ...]
) -> None:
    async with open_workers(removed) as place, open_workers(removed) as other:
        workers = Workers(place, other.caller)
        place.probe.deliver(mail("first"))
        await place.caller.move("first@example.org", "Target")

        def begin(at: int) -> Work:
            place.probe.deliver(mail(at))
            with place.probe.session() as session:
                session.delete("Target")
            return methodcaller("move", f"{at}@example.org", "Target")

        async for at in workers.at_each_command(Cut.BEFORE_ANSWER, begin):
            assert place.probe.ids("Target") == [f"{at}@example.org"]
            assert place.probe.ids() == []


async def test_a_copy_that_another_workers_came_before_goes_again_though_the_job_is_anothers(
    open_workers: OpenWorkers,
) -> None:
    async with open_workers(("MOVE",)) as place, open_workers(("MOVE",)) as other:
        place.probe.deliver(mail(1))
        lease = Lease()
        place.caller.may_change = lease.check
        late = place.proxy.hold("UID COPY", Cut.BEFORE_COMMAND)
        early = other.proxy.hold("UID STORE", Cut.BEFORE_COMMAND)
        async with asyncio.timeout(LIMIT_SECONDS):
            first = asyncio.ensure_future(place.caller.move("1@example.org", "Target"))
            await late.reached.wait()
            second = asyncio.ensure_future(other.caller.move("1@example.org", "Target"))
            await early.reached.wait()
            lease.is_over = True
            late.release()
            await asyncio.wait([first])
            early.release()
            await second
        assert isinstance(first.exception(), MessageNotFound)
        assert place.probe.ids("Target") == ["1@example.org"]
        assert place.probe.ids() == []


async def test_a_moved_mail_that_another_worker_has_moved_first_goes_again_though_the_job_is_anothers(
    open_workers: OpenWorkers,
) -> None:
    """As at Dovecot 2.3, where two can move one mail at once: here the other's is delivered."""
    async with open_workers(()) as place:
        place.probe.deliver(mail(1))
        lease = Lease()
        place.caller.may_change = lease.check
        hold = place.proxy.hold("UID MOVE", Cut.BEFORE_COMMAND)
        async with asyncio.timeout(LIMIT_SECONDS):
            moving = asyncio.ensure_future(place.caller.move("1@example.org", "Target"))
            await hold.reached.wait()
            place.probe.deliver(mail(1), "Target")
            lease.is_over = True
            hold.release()
            await asyncio.wait([moving])
        assert isinstance(moving.exception(), MessageNotFound)
        assert place.probe.ids("Target") == ["1@example.org"]


@pytest.mark.parametrize("operation", ["delete", "move"])
@pytest.mark.parametrize("removed", WITHOUT[1:], ids=" and ".join)
async def test_a_mail_whose_flag_another_worker_took_away_is_removed_by_the_next_attempt(
    open_workers: OpenWorkers, removed: tuple[str, ...], operation: str
) -> None:
    """A worker that was killed while it had set aside what others have flagged."""
    async with open_workers((*removed, "MOVE")) as place:
        place.probe.deliver(mail(1))

        async def work() -> None:
            arguments = ("1@example.org", "Target")[: 1 if operation == "delete" else 2]
            await getattr(place.caller, operation)(*arguments)

        verb = "EXPUNGE" if "UIDPLUS" in removed else "UID EXPUNGE"
        hold = place.proxy.hold(verb, Cut.BEFORE_COMMAND)
        async with asyncio.timeout(LIMIT_SECONDS):
            first = asyncio.ensure_future(work())
            await hold.reached.wait()
            with place.probe.session() as session:
                session.select()
                session.store("1", "-FLAGS.SILENT", r"(\Deleted)")
            hold.release()
            with pytest.raises(ServerUnavailable, match="still has the message in INBOX"):
                await first
            await work()
        assert place.probe.ids() == []
        assert place.probe.ids("Target") == ([] if operation == "delete" else ["1@example.org"])
