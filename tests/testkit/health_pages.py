"""A worker's health pages, read as a probe and as Prometheus do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_PAUSE_SECONDS = 0.05

Labels = frozenset[tuple[str, str]]


class HealthPages:
    """The pages at one port of this machine."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{port}"

    @classmethod
    @asynccontextmanager
    async def at(cls, port: int) -> AsyncIterator[HealthPages]:
        """Read them while the block runs."""
        async with aiohttp.ClientSession() as session:
            yield cls(session, port)

    async def probe(self, name: str) -> tuple[int, dict[str, Any]]:
        """`live` or `ready`: the status and what it says."""
        async with self._session.get(f"{self._url}/health/{name}") as response:
            return response.status, await response.json()

    async def until(self, name: str, status: int, *, within_seconds: float = 60) -> dict[str, Any]:
        """Probe until that status; gives what it says."""
        async with asyncio.timeout(within_seconds):
            while True:
                try:
                    found, said = await self.probe(name)
                except aiohttp.ClientConnectionError:
                    found, said = 0, {}
                if found == status:
                    return said
                await asyncio.sleep(_PAUSE_SECONDS)

    async def metrics(self, is_so: Callable[[Scrape], bool], *, within_seconds: float = 60) -> Scrape:
        """Scrape until `is_so`; gives that scrape."""
        async with asyncio.timeout(within_seconds):
            while not is_so(scrape := await self._scrape()):  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(_PAUSE_SECONDS)
        return scrape

    async def metrics_at_rest(self) -> Scrape:
        """Scrape when no job is under way: the engine knows a little earlier than the worker."""
        return await self.metrics(lambda scrape: scrape.value("jobs_running") == 0)

    async def _scrape(self) -> Scrape:
        async with self._session.get(f"{self._url}/metrics") as response:
            assert response.status == 200
            return Scrape(await response.text())


class Scrape:
    """What Prometheus would store of one answer."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: dict[tuple[str, Labels], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self.samples, f"{key} is there twice"
                self.samples[key] = sample.value

    @property
    def names(self) -> set[str]:
        """Of all series."""
        return {name for name, _ in self.samples}

    def value(self, name: str, **labels: str) -> float | None:
        """Of the series with exactly these labels; None where there is none."""
        return self.samples.get((f"email_worker_{name}", frozenset(labels.items())))
