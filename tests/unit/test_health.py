"""Liveness and readiness, and the pages that tell them."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from testkit.health_pages import HealthPages
from testkit.job_bench import Bench
from testkit.processes import free_port

from worker.event_loop import background
from worker.health import PortTaken, check_port, health_pages
from worker.job.engine_errors import CommandRefused, GatewayUnavailable
from worker.job.runtime import Connection
from worker.liveness import Heartbeat, Liveness
from worker.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.job.runtime import Runtime


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Runtime]:
    runtime = bench.runtime()
    task = asyncio.create_task(runtime.run(bench.stop, grace_seconds=bench.grace_seconds))
    await bench.gateway.until(lambda: len(bench.gateway.polls) == len(bench.task_types))
    try:
        yield runtime
    finally:
        bench.stop.set()
        await task


def test_a_loop_that_beats_in_time_has_no_lag() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    for _ in range(3):
        clock.now += 1.0
        heartbeat.beat()
    assert heartbeat.lag_seconds == 0


def test_a_loop_that_stands_still_is_late_and_stays_so_until_it_has_beaten_in_time() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    heartbeat.beat()
    clock.now += 13.0
    assert heartbeat.lag_seconds == 12.0
    heartbeat.beat()
    assert heartbeat.lag_seconds == 12.0
    clock.now += 1.0
    heartbeat.beat()
    assert heartbeat.lag_seconds == 0


async def test_the_heartbeat_measures_the_real_loop() -> None:
    heartbeat = Heartbeat()
    async with background(heartbeat.beat_on(), "heartbeat"):
        await asyncio.sleep(0)
        time.sleep(1.5)  # noqa: ASYNC251 - what is measured
        assert heartbeat.lag_seconds >= 0.4


async def test_a_worker_is_alive_but_for_a_long_standstill() -> None:
    clock = Clock()
    liveness = Liveness(Bench().runtime(), max_silence_seconds=60, clock=clock)
    clock.now += 10.0
    assert liveness.why_not_alive() == []
    clock.now += 5.0
    assert liveness.why_not_alive() == ["The event loop was blocked for 14 seconds."]


async def test_a_worker_that_has_not_begun_is_not_ready() -> None:
    liveness = Liveness(Bench().runtime(), max_silence_seconds=60)
    assert liveness.why_not_ready() == [
        "The worker does not ask Camunda for jobs.",
        "The gateway has not answered yet.",
    ]


async def test_a_worker_is_ready_when_the_gateway_has_answered() -> None:
    async with running(Bench()) as runtime:
        liveness = Liveness(runtime, max_silence_seconds=60)
        assert liveness.why_not_ready() == ["The gateway has not answered yet."]
        runtime.connection.answered(time.monotonic())
        assert liveness.why_not_ready() == []
        assert liveness.why_not_connected() is None


async def test_a_gateway_that_says_nothing_for_too_long_does_not_answer() -> None:
    clock = Clock()
    async with running(Bench()) as runtime:
        liveness = Liveness(runtime, max_silence_seconds=60, clock=clock)
        runtime.connection.last_answer_at = clock.now
        clock.now += 60
        assert liveness.why_not_connected() is None
        clock.now += 1
        assert liveness.why_not_ready() == ["The gateway has not answered for 61 seconds."]


async def test_a_gateway_that_is_away_is_named_until_it_answers_again() -> None:
    async with running(Bench()) as runtime:
        liveness = Liveness(runtime, max_silence_seconds=60)
        runtime.connection.failed(GatewayUnavailable("UNAVAILABLE: refused"))
        assert liveness.why_not_ready() == ["The gateway does not answer: UNAVAILABLE: refused."]
        runtime.connection.answered(time.monotonic())
        assert liveness.why_not_ready() == []


async def test_a_worker_that_has_stopped_is_not_ready() -> None:
    async with running(Bench()) as runtime:
        runtime.connection.answered(time.monotonic())
    liveness = Liveness(runtime, max_silence_seconds=60)
    assert liveness.why_not_ready() == ["The worker is stopping; 0 jobs are running."]


@pytest.mark.parametrize("failure", [GatewayUnavailable("away"), CommandRefused("not allowed")])
async def test_a_probe_that_fails_is_no_news_and_asks_again(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.job.runtime._PROBE_SECONDS", 0)
    connection, failures, has_answered = Connection(), [failure], asyncio.Event()

    async def ask() -> None:
        if failures:
            raise failures.pop()
        assert connection.lost_because is None
        has_answered.set()

    async with background(connection.probe(ask), "probe"), asyncio.timeout(60):
        await has_answered.wait()
        await asyncio.sleep(0)
    assert connection.last_answer_at is not None


async def test_the_pages_say_what_is_and_why() -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(running(Bench()))
        liveness = Liveness(runtime, max_silence_seconds=60)
        metrics = Metrics(["email.smtp.send"], version="1")
        await stack.enter_async_context(health_pages("127.0.0.1", port, liveness, metrics))
        pages = await stack.enter_async_context(HealthPages.at(port))
        reasons = ["The gateway has not answered yet."]
        assert await pages.probe("ready") == (503, {"status": "not ready", "reasons": reasons})
        runtime.connection.answered(time.monotonic())
        assert await pages.probe("ready") == (200, {"status": "ready"})
        assert await pages.probe("live") == (200, {"status": "alive"})
        assert (await pages.metrics(lambda _: True)).text.startswith("# HELP email_worker_jobs_total")


async def test_a_port_or_host_that_cannot_be_had_is_said_in_one_sentence() -> None:
    liveness = Liveness(Bench().runtime(), max_silence_seconds=60)
    metrics, port = Metrics([], version="1"), free_port()
    async with health_pages("127.0.0.1", port, liveness, metrics):
        with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port} \(address already in use\)"):
            async with health_pages("127.0.0.1", port, liveness, metrics):
                pass
    for host in ("no.such.host.invalid", "x" * 64, "..a"):
        with pytest.raises(PortTaken, match=r"no such address.*; choose another EMAIL_WORKER_HEALTH_HOST"):
            async with health_pages(host, port, liveness, metrics):
                pass
        assert "no such address" in (await check_port(host, port) or "")


async def test_a_port_that_a_running_worker_has_is_fine_and_any_other_taken_one_is_not() -> None:
    liveness = Liveness(Bench().runtime(), max_silence_seconds=60)
    port = free_port()
    assert await check_port("127.0.0.1", port) is None
    async with health_pages("127.0.0.1", port, liveness, Metrics([], version="1")):
        assert await check_port("127.0.0.1", port) is None
    with socket.create_server(("127.0.0.1", port)):
        said = await check_port("127.0.0.1", port)
    assert said is not None
    assert said.startswith(f"The health pages cannot be served at 127.0.0.1:{port} (address already in use)")
    assert await check_port("no.such.host.invalid", 0) is None


async def test_port_0_serves_no_pages() -> None:
    liveness = Liveness(Bench().runtime(), max_silence_seconds=60)
    async with health_pages("no.such.host.invalid", 0, liveness, Metrics([], version="1")):
        pass


@pytest.mark.parametrize(
    "words", [b"", b"GET /metr", b"POST /metrics HTTP/1.1\r\nContent-Length: 99\r\n\r\n"]
)
async def test_a_client_that_says_nothing_or_half_keeps_no_connection(
    words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.health._CONNECTION_SECONDS", 0.01)
    port = free_port()
    liveness = Liveness(Bench().runtime(), max_silence_seconds=60)
    async with health_pages("127.0.0.1", port, liveness, Metrics([], version="1")), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(words)
        await reader.read()  # ends with the connection
        writer.close()


async def test_a_client_that_does_not_speak_http_is_not_an_error_of_the_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    liveness = Liveness(Bench().runtime(), max_silence_seconds=60)
    async with health_pages("127.0.0.1", port, liveness, Metrics([], version="1")), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 no HTTP\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
    assert caplog.records == []
