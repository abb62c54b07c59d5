"""What the worker makes of answers of the cluster's REST API that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from testkit.document_server import DocumentServer

from worker.errors import DocumentRefused
from worker.instances import Cluster
from worker.job.engine_errors import EngineError
from worker.rest_api import RestApi
from worker.settings import Settings
from worker.wiring import open_rest_api


@asynccontextmanager
async def rest_api(pages: dict[str, str]) -> AsyncIterator[RestApi]:
    """The REST API at a server that answers with these texts."""
    async with DocumentServer() as server:
        server.pages |= {f"v2{path}": (200, {}, body.encode()) for path, body in pages.items()}
        settings = Settings.from_environment({"ZEEBE_REST_ADDRESS": f"{server.address}/files"})
        api = open_rest_api(settings, None)
        assert api is not None
        try:
            yield api
        finally:
            await api.close()


@pytest.mark.parametrize("body", ["", "<html>", "{", "[" * 20_000, "[]", "null", "1", '"x"', "\0"])
async def test_an_answer_that_is_none_of_camunda_is_told(body: str) -> None:
    async with rest_api({"/topology": body}) as api:
        with pytest.raises(DocumentRefused, match=r"check ZEEBE_REST_ADDRESS"):
            await api.check()


async def test_a_rest_api_that_is_silent_is_told_within_the_time_to_wait() -> None:
    closed = asyncio.Event()

    async def answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(answer_nothing, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    cluster = Cluster(Settings.from_environment({"ZEEBE_REST_ADDRESS": address}))
    async with server, asyncio.timeout(30):  # the usual time for an answer is a minute
        with pytest.raises(EngineError, match=rf"{address}/v2 did not answer within 1 s; check ZEEBE_REST"):
            await cluster.run_to_end("any", {}, within_seconds=1)
        await cluster.close()
        await closed.wait()


ITEMS = ['{"items": null}', '{"items": [1]}', '{"items": ["x"]}', '{"items": [{}]}']


@pytest.mark.parametrize("body", ["[]", "{}", "1", '"x"', "null", *ITEMS])
@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/process-instances/1", RestApi.state),
        ("/process-instances/1/incidents/search", RestApi.incident),
        ("/variables/search", RestApi.variables),
    ],
)
async def test_json_in_another_form_than_that_of_camunda_is_told(
    path: str, ask: Callable[[RestApi, int], Awaitable[Any]], body: str
) -> None:
    async with rest_api({path: body}) as api:
        with pytest.raises(DocumentRefused, match=r"did not answer .*; check ZEEBE_REST_ADDRESS"):
            await ask(api, 1)
