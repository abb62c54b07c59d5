"""The worker's event loop: looking up a host's name never takes the threads that other work needs.

And what runs on it next to other work.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

# Each has a thread, which an unresponsive name server occupies for as long as the operating system waits for
# it.
_MAX_LOOKUPS = 512


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, with a thread for each name that is being looked up.

    The threads end with the process. Who asks for a name that is being looked up waits for the same answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lookups: dict[Any, asyncio.Future[Any]] = {}

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """Look up a host, as `socket.getaddrinfo` does."""
        wanted = (host, port, family, type, proto, flags)
        lookup = self._lookups.get(wanted)
        if lookup is None:
            if len(self._lookups) >= _MAX_LOOKUPS:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
            lookup = self.create_future()
            ask = functools.partial(self.look_up, lookup, wanted)
            try:
                threading.Thread(target=ask, name="name lookup", daemon=True).start()
            except RuntimeError as error:  # the system has none left
                raise socket.gaierror(socket.EAI_AGAIN, str(error)) from error
            # Only now: nobody may wait for a lookup that has not begun.
            self._lookups[wanted] = lookup
            lookup.add_done_callback(functools.partial(self.forget, wanted))
        return await asyncio.shield(lookup)

    def forget(self, wanted: tuple[Any, ...], lookup: asyncio.Future[Any]) -> None:
        """Drop a lookup that has ended."""
        del self._lookups[wanted]
        lookup.exception()  # else asyncio logs it if nobody waits any more

    def look_up(self, lookup: asyncio.Future[Any], wanted: tuple[Any, ...]) -> None:
        """Ask for a name in a thread; the answer goes to `lookup`."""
        tell: Callable[[Any], None] = lookup.set_result
        try:
            answer: Any = socket.getaddrinfo(*wanted)
        except (OSError, UnicodeError) as error:
            tell, answer = lookup.set_exception, error
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            self.call_soon_threadsafe(tell, answer)


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Let `work`, which never ends by itself, run while the block does."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()


async def finish_in_thread(work: Callable[[], T]) -> T:
    """Run work in a thread and return what it returns, also if this task is cancelled meanwhile."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        return await done
