"""The few web pages of the stand-ins: GET alone, JSON alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Page = Callable[[], Awaitable[Any]]


async def serve_pages(port: int, pages: Mapping[str, Page]) -> asyncio.Server:
    """Serve each path of `pages` on every interface."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        path = request.split()[1].decode().partition("?")[0]
        page = pages.get(path)
        body = json.dumps(await page() if page else {"error": path}).encode()
        status = "200 OK" if page else "404 Not Found"
        head = f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "0.0.0.0", port)
