"""A host's name is looked up in a thread of its own, which nobody waits for at the end."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from worker.event_loop import EventLoop, finish_in_thread


@pytest.fixture
def silent() -> Iterator[threading.Event]:
    """Name servers answer when it is set."""
    answers = threading.Event()
    yield answers
    answers.set()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, silent: threading.Event) -> list[str]:
    """The names that the operating system was asked for; `*.silent` hangs."""
    names: list[str] = []
    look_up = socket.getaddrinfo

    def asking(host: Any, *others: Any, **more: Any) -> Any:
        names.append(host)
        if str(host).endswith(".silent"):
            silent.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return look_up(host, *others, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asking)
    return names


def run(work: Any) -> Any:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(work)


async def look_up(host: str) -> Any:
    async with asyncio.timeout(10):
        return await asyncio.get_running_loop().getaddrinfo(host, 25, type=socket.SOCK_STREAM)


async def give_up(host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await look_up(host)


def test_a_name_is_found_again_once_the_system_has_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def without_and_with_threads() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(socket.gaierror, match="can't start new thread"):
                await look_up("localhost")
        assert await look_up("localhost")

    run(without_and_with_threads())


def test_a_name_is_found(asked: list[str]) -> None:
    assert ("127.0.0.1", 25) in [address[4] for address in run(look_up("localhost"))]
    assert asked == ["localhost"]


def test_a_name_that_does_not_exist_is_said_to_every_one_who_asks(
    asked: list[str], silent: threading.Event
) -> None:
    async def ask_twice() -> list[Any]:
        both = [asyncio.create_task(look_up("a.silent")) for _ in range(2)]
        await asyncio.sleep(0)
        silent.set()
        return await asyncio.gather(*both, return_exceptions=True)

    assert [type(error) for error in run(ask_twice())] == [socket.gaierror] * 2
    assert asked == ["a.silent"]


def test_silent_name_servers_delay_neither_other_names_nor_the_end(asked: list[str]) -> None:
    async def ask_for_many() -> Any:
        await asyncio.gather(*(give_up(f"{number}.silent") for number in range(100)))
        # Asked for again, a name takes no further thread.
        await asyncio.gather(*(give_up(f"{number}.silent") for number in range(100)))
        return await look_up("localhost")

    assert run(ask_for_many())
    assert len(asked) == 101


async def test_work_in_a_thread_is_finished_although_its_task_is_cancelled() -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        has_begun.set()
        may_end.wait(10)
        return "sent"

    task = asyncio.create_task(finish_in_thread(work))
    await asyncio.to_thread(has_begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    may_end.set()
    assert await task == "sent"
