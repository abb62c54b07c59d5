"""A TCP server whose connections all end with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

HERE = "127.0.0.1"
LONGEST_LINE = 64 * 1024 * 1024

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def listening(serve: Serve, port: int = 0, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection in a task of its own while the block runs; gives the port.

    A connection is cut when its task ends, and every task is cancelled at the end of the block: a connection
    that was left open would be an error in some later test. `asyncio.Server` may leave open what comes while
    it closes.
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def hold(connection: socket.socket) -> None:
        streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        protocol = asyncio.StreamReaderProtocol(
            asyncio.StreamReader(limit=LONGEST_LINE), lambda reader, writer: streams.append((reader, writer))
        )
        with suppress(OSError):  # no TLS
            await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
        for reader, writer in streams:
            try:
                await serve(reader, writer)
            finally:
                writer.transport.abort()

    def accept() -> None:
        with suppress(OSError):  # it may have gone
            connection, _ = listener.accept()
            # As asyncio's own servers do, or a reply of several lines waits 40 ms for an acknowledgement.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(hold(connection))
            tasks.add(task)
            # Not in the task: cancelled before its first step, it would close nothing.
            task.add_done_callback(lambda _: connection.close())
            task.add_done_callback(tasks.discard)

    with socket.create_server((HERE, port)) as listener:
        listener.setblocking(False)
        loop.add_reader(listener, accept)
        try:
            yield listener.getsockname()[1]
        finally:
            loop.remove_reader(listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
