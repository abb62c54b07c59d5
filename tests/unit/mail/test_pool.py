"""The pool with sessions that do as a test says: real ones do not break on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from testkit.skipping_clock import on_skipping_clock

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    NotSupported,
    ServerTimeout,
    ServerUnavailable,
)
from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.command_trace import Step, begin_command_trace, traced
from worker.mail.pool import Pool, PoolFigures, PoolLimits

LIMIT_SECONDS = 60


@dataclass(eq=False)
class FakeSession:
    """A session that notes what is done to it."""

    is_usable: bool = True
    may_repeat: bool = True
    times_taken: int = 0
    end: str | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        self.times_taken += 1
        self.may_repeat = True

    async def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def die(self) -> None:
        """What a session does when its server has gone."""
        self.is_usable = False

    def _end(self, how: str) -> None:
        self.end = self.end or how
        self.is_usable = False
        self.ended.set()


class Sessions:
    """Opens sessions, and has those that were opened."""

    def __init__(self) -> None:
        self.opened: list[FakeSession] = []
        self.error: Exception | None = None
        self.now = 0.0

    async def open(self, _: Account) -> FakeSession:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.opened.append(FakeSession())
        return self.opened[-1]

    def pool(self, **limits: float) -> Pool[FakeSession]:
        return Pool(self.open, PoolLimits(**limits), clock=lambda: self.now)  # type: ignore[arg-type]


class Held:
    """Work that lasts until the test lets it go."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, session: FakeSession) -> FakeSession:
        self.started.set()
        await self.go_on.wait()
        return session


def account(name: str = "ann", password: str = "s3cret") -> Account:
    return Account(MailProtocol.SMTP, "mail.example.org", 587, Encryption.STARTTLS, name, password)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


async def take(session: FakeSession) -> FakeSession:
    return session


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(10):
        await asyncio.sleep(0)


def failing_once(
    error: Exception, *, may_repeat: bool = True
) -> Callable[[FakeSession], Awaitable[FakeSession]]:
    """Work that fails on the session it meets first, which is dead then."""
    failed: list[FakeSession] = []

    async def work(session: FakeSession) -> FakeSession:
        if failed:
            return session
        failed.append(session)
        session.die()
        session.may_repeat = may_repeat
        raise error

    return work


async def test_a_session_is_kept_for_the_next_work(sessions: Sessions) -> None:
    pool = sessions.pool()
    assert await pool.run(account(), take) is await pool.run(account(), take)
    assert sessions.opened[0].times_taken == 2
    assert pool.open_sessions == 1


async def test_no_session_is_shared_by_accounts_or_passwords(sessions: Sessions) -> None:
    pool = sessions.pool()
    taken = [
        await pool.run(each, take)
        for each in (account(), account("bob"), account(password="other"), account())
    ]
    assert len({id(session) for session in taken}) == 3
    assert taken[0] is taken[3]


async def test_no_session_serves_two_jobs_at_the_same_time(sessions: Sessions) -> None:
    pool, held = sessions.pool(), Held()
    first = asyncio.create_task(pool.run(account(), held))
    await held.started.wait()
    second = await pool.run(account(), take)
    held.go_on.set()
    assert await first is not second


async def test_the_warmest_session_is_taken_first(sessions: Sessions) -> None:
    pool, held = sessions.pool(), Held()
    first = asyncio.create_task(pool.run(account(), held))
    await held.started.wait()
    await pool.run(account(), take)
    held.go_on.set()
    warmest = await first
    assert await pool.run(account(), take) is warmest


async def test_the_result_of_the_work_and_its_error_come_through(sessions: Sessions) -> None:
    async def fail(_: FakeSession) -> None:
        raise AuthenticationFailed("no")

    pool = sessions.pool()
    with pytest.raises(AuthenticationFailed):
        await pool.run(account(), fail)
    assert await pool.run(account(), take) is sessions.opened[0]


async def test_a_session_that_the_work_has_broken_is_not_kept(sessions: Sessions) -> None:
    async def break_it(session: FakeSession) -> None:
        session.die()

    pool = sessions.pool()
    await pool.run(account(), break_it)
    assert sessions.opened[0].end == "aborted"
    assert pool.open_sessions == 0


async def test_a_session_that_died_while_idle_is_replaced(sessions: Sessions) -> None:
    pool = sessions.pool()
    await pool.run(account(), take)
    sessions.opened[0].die()
    assert await pool.run(account(), take) is sessions.opened[1]
    assert sessions.opened[0].end == "aborted"


@pytest.mark.parametrize(
    "error",
    [ConnectionFailed("gone"), ServerUnavailable("421 idle for too long"), AuthenticationFailed("530")],
)
async def test_a_reused_session_that_breaks_immediately_is_replaced_silently(
    error: Exception, sessions: Sessions
) -> None:
    pool = sessions.pool()
    await pool.run(account(), take)
    assert await pool.run(account(), failing_once(error)) is sessions.opened[1]
    assert pool.open_sessions == 1


async def test_work_that_a_living_session_refuses_for_now_is_not_repeated(sessions: Sessions) -> None:
    async def refuse(_: FakeSession) -> None:
        raise ServerUnavailable("try again later")

    pool = sessions.pool()
    await pool.run(account(), take)
    with pytest.raises(ServerUnavailable):
        await pool.run(account(), refuse)
    assert len(sessions.opened) == 1


async def test_the_neighbours_of_a_dead_session_are_not_trusted_either(sessions: Sessions) -> None:
    pool, held = sessions.pool(), Held()
    first = asyncio.create_task(pool.run(account(), held))
    await held.started.wait()
    await pool.run(account(), take)
    held.go_on.set()
    await first
    assert await pool.run(account(), failing_once(ConnectionFailed("gone"))) is sessions.opened[2]
    await settle()
    assert [session.end for session in sessions.opened] == ["aborted", "closed", None]


@pytest.mark.parametrize(
    ("error", "may_repeat"),
    [(ConnectionFailed("gone"), False), (ServerTimeout("slow"), True), (NotSupported("no"), True)],
)
async def test_work_is_repeated_only_where_the_connection_broke_and_nothing_was_done(
    error: Exception, may_repeat: bool, sessions: Sessions
) -> None:
    pool = sessions.pool()
    await pool.run(account(), take)
    with pytest.raises(type(error)):
        await pool.run(account(), failing_once(error, may_repeat=may_repeat))
    assert len(sessions.opened) == 1


async def test_work_on_a_new_session_is_not_repeated(sessions: Sessions) -> None:
    with pytest.raises(ConnectionFailed):
        await sessions.pool().run(account(), failing_once(ConnectionFailed("gone")))
    assert len(sessions.opened) == 1


async def test_work_is_repeated_once_at_most(sessions: Sessions) -> None:
    async def fail(session: FakeSession) -> None:
        session.die()
        raise ConnectionFailed("gone")

    pool = sessions.pool()
    await pool.run(account(), take)
    with pytest.raises(ConnectionFailed):
        await pool.run(account(), fail)
    assert len(sessions.opened) == 2


async def test_a_session_that_cannot_be_opened_leaves_its_place_free(sessions: Sessions) -> None:
    pool = sessions.pool(max_sessions=1)
    sessions.error = ConnectionFailed("refused")
    for _ in range(3):
        with pytest.raises(ConnectionFailed):
            await pool.run(account(), take)
    sessions.error = None
    assert await pool.run(account(), take)


async def test_an_account_has_no_more_sessions_than_its_limit(sessions: Sessions) -> None:
    pool = sessions.pool(max_sessions_per_account=2)
    works = [Held() for _ in range(5)]
    tasks = [asyncio.create_task(pool.run(account(), work)) for work in works]
    await settle()
    assert [work.started.is_set() for work in works] == [True, True, False, False, False]
    assert await pool.run(account("bob"), take)
    for work in works:
        await asyncio.wait_for(work.started.wait(), LIMIT_SECONDS)
        work.go_on.set()
    await asyncio.gather(*tasks)
    assert len(sessions.opened) == 3


async def test_all_accounts_together_have_no_more_sessions_than_the_limit(sessions: Sessions) -> None:
    pool = sessions.pool(max_sessions=2)
    works = [Held() for _ in range(6)]
    tasks = [asyncio.create_task(pool.run(account(str(n)), work)) for n, work in enumerate(works)]
    for work in works:
        await asyncio.wait_for(work.started.wait(), LIMIT_SECONDS)
        assert pool.open_sessions == 2
        work.go_on.set()
    await asyncio.gather(*tasks)


async def test_the_account_used_longest_ago_gives_up_its_idle_session(sessions: Sessions) -> None:
    pool = sessions.pool(max_sessions=2)
    await pool.run(account("old"), take)
    await pool.run(account("young"), take)
    await pool.run(account("new"), take)
    await settle()
    assert [session.end for session in sessions.opened] == ["closed", None, None]


async def test_those_who_wait_are_served_in_their_order(sessions: Sessions) -> None:
    pool, held = sessions.pool(max_sessions=1), Held()
    served: list[int] = []

    async def note(number: int) -> None:
        async def work(_: FakeSession) -> None:
            served.append(number)

        await pool.run(account(), work)

    first = asyncio.create_task(pool.run(account(), held))
    await held.started.wait()
    tasks = []
    for number in range(5):
        tasks.append(asyncio.create_task(note(number)))
        await settle()
    held.go_on.set()
    await asyncio.wait_for(asyncio.gather(first, *tasks), LIMIT_SECONDS)
    assert served == [0, 1, 2, 3, 4]


async def test_one_who_gives_up_waiting_takes_nobodys_turn(sessions: Sessions) -> None:
    pool, held = sessions.pool(max_sessions=1), Held()
    first = asyncio.create_task(pool.run(account(), held))
    await held.started.wait()
    impatient = asyncio.create_task(pool.run(account(), take))
    patient = asyncio.create_task(pool.run(account(), take))
    await settle()
    impatient.cancel()
    held.go_on.set()
    await asyncio.wait_for(patient, LIMIT_SECONDS)
    await first
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert pool.open_sessions == 1


async def test_work_that_is_cancelled_gives_its_place_back(sessions: Sessions) -> None:
    pool, held = sessions.pool(max_sessions=1), Held()
    work = asyncio.create_task(pool.run(account(), held))
    await held.started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await asyncio.wait_for(pool.run(account("bob"), take), LIMIT_SECONDS)


async def test_an_opening_that_is_cancelled_gives_its_place_back(sessions: Sessions) -> None:
    pool = sessions.pool(max_sessions=1)
    work = asyncio.create_task(pool.run(account(), take))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert pool.open_sessions == 0
    assert await pool.run(account(), take)


async def test_a_session_that_was_idle_for_too_long_is_not_taken(sessions: Sessions) -> None:
    pool = sessions.pool(max_idle_seconds=60)
    await pool.run(account(), take)
    sessions.now = 59
    await pool.run(account(), take)
    assert len(sessions.opened) == 1
    sessions.now = 59 + 60
    await pool.run(account(), take)
    assert len(sessions.opened) == 2


async def until_empty(pool: Pool[FakeSession]) -> None:
    """A session has ended a turn of the event loop before its task has."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while pool.open_sessions:  # noqa: ASYNC110 - a pool tells nobody that it is empty
            await asyncio.sleep(0)


async def test_a_session_that_is_not_used_again_is_closed() -> None:
    sessions = Sessions()
    pool = Pool(sessions.open, PoolLimits(max_idle_seconds=0.02))
    for name in ("ann", "bob"):
        await pool.run(account(name), take)
    for session in sessions.opened:
        await asyncio.wait_for(session.ended.wait(), LIMIT_SECONDS)
    assert [session.end for session in sessions.opened] == ["closed", "closed"]
    await until_empty(pool)


async def test_closing_closes_idle_sessions_now_and_busy_ones_when_their_work_ends(
    sessions: Sessions,
) -> None:
    pool, held = sessions.pool(), Held()
    await pool.run(account("idle"), take)
    busy = asyncio.create_task(pool.run(account("busy"), held))
    await held.started.wait()
    await pool.close()
    assert [session.end for session in sessions.opened] == ["closed", None]
    held.go_on.set()
    await busy
    await asyncio.wait_for(sessions.opened[1].ended.wait(), LIMIT_SECONDS)
    await until_empty(pool)


async def test_a_session_counts_until_it_has_signed_off(sessions: Sessions) -> None:
    pool, goodbye = sessions.pool(max_sessions=1), asyncio.Event()
    session = await pool.run(account(), take)
    session.close = goodbye.wait  # type: ignore[method-assign, assignment]
    others = [asyncio.create_task(pool.run(account(name), take)) for name in ("bob", "eve")]
    await settle()
    assert len(sessions.opened) == 1
    assert pool.open_sessions == 1
    goodbye.set()
    await asyncio.wait_for(asyncio.gather(*others), LIMIT_SECONDS)
    assert pool.open_sessions == 1


async def test_no_more_sessions_sign_off_than_there_is_need_for(sessions: Sessions) -> None:
    pool, goodbye = sessions.pool(max_sessions=4), asyncio.Event()
    for name in "abcd":
        session = await pool.run(account(name), take)
        session.close = goodbye.wait  # type: ignore[method-assign, assignment]
    other = asyncio.create_task(pool.run(account("other"), take))
    await settle()
    assert pool.figures.waiting == 1
    assert len(pool._closing) == 1
    goodbye.set()
    await asyncio.wait_for(other, LIMIT_SECONDS)
    await pool.close()


@on_skipping_clock
async def test_a_sign_off_that_does_not_end_is_cut() -> None:
    sessions = Sessions()
    pool = sessions.pool(max_sessions=1)
    session = await pool.run(account(), take)
    session.close = asyncio.Event().wait  # type: ignore[method-assign, assignment]
    await pool.run(account("bob"), take)
    assert session.end == "aborted"
    await pool.close()


async def test_the_figures_tell_idle_busy_waiting_opened_and_replaced(sessions: Sessions) -> None:
    pool, held = sessions.pool(max_sessions_per_account=1), Held()
    working = asyncio.create_task(pool.run(account(), held))
    await held.started.wait()
    waiting = asyncio.create_task(pool.run(account(), take))
    await settle()
    assert pool.figures == PoolFigures(idle=0, busy=1, waiting=1, opened=1, reconnects=0)
    held.go_on.set()
    await asyncio.gather(working, waiting)
    assert pool.figures == PoolFigures(idle=1, busy=0, waiting=0, opened=1, reconnects=0)
    await pool.run(account(), failing_once(ConnectionFailed("closed")))
    assert pool.figures == PoolFigures(idle=1, busy=0, waiting=0, opened=2, reconnects=1)
    await pool.close()


async def test_a_session_that_another_job_closes_is_no_part_of_that_jobs_trail(sessions: Sessions) -> None:
    seen: list[Step] = []
    trace = begin_command_trace(seen.append)
    pool = sessions.pool(max_sessions=1)
    session = await pool.run(account(), take)

    async def sign_off() -> None:
        traced(MailProtocol.SMTP, "mail.example.org:587", "QUIT")
        session.ended.set()

    session.close = sign_off  # type: ignore[method-assign]
    await pool.run(account("bob"), take)
    await session.ended.wait()
    assert [step.name for step in seen] == ["QUIT"]
    assert trace.command_count == 0
    await pool.close()
