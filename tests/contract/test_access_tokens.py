"""Jobs that wait for an access token: one sick token endpoint holds up nobody else."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs
from testkit.job_bench import Bench
from testkit.jobs import make_job, variables_for
from testkit.token_server import TokenServer, hold, status

from worker.documents.http_client import HttpClient, HttpTimeouts
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.job.job import Job
from worker.mail.account import Account
from worker.mail.connection import TokenMissing
from worker.oauth.access_tokens import TOKEN_FAILURES, AccessTokens, endpoint_not_allowed


@pytest.fixture
async def sick() -> AsyncIterator[TokenServer]:
    async with TokenServer() as running:
        yield running


@pytest.fixture
async def healthy() -> AsyncIterator[TokenServer]:
    async with TokenServer() as running:
        yield running


def token_missing(account: Account) -> Exception | None:
    """What a mail server's client says to an account without a token."""
    return TokenMissing() if account.is_without_token else None


@asynccontextmanager
async def bench_with_tokens(*servers: TokenServer, **options: Any) -> AsyncIterator[Bench]:
    http = HttpClient(ssl.create_default_context(), HttpTimeouts(60, 60, 60), TOKEN_FAILURES)
    policy = UrlPolicy(tuple(UrlPattern.parse(server.url) for server in servers), endpoint_not_allowed)
    tokens = AccessTokens(http, policy)
    bench = Bench(tokens=tokens, **options)
    bench.handler.answers_of = token_missing
    try:
        async with bench.serving():
            yield bench
    finally:
        await tokens.close()


def job(server: TokenServer, user: str = "ann", host: str = "mail.example.com") -> Job:
    authentication = server.authentication(username=user)
    return make_job(variables={**variables_for(host), "authentication": authentication})


async def test_an_endpoint_that_hangs_holds_up_no_other(sick: TokenServer, healthy: TokenServer) -> None:
    release = asyncio.Event()
    sick.faults.extend([hold(release)] * 50)
    async with bench_with_tokens(sick, healthy, max_jobs=8, max_jobs_per_server=4) as bench:
        # All at one mail server, which the others share.
        waiting = [job(sick, f"user{number}") for number in range(40)]
        bench.gateway.offer(*waiting)
        await sick.asked.wait()
        other = job(healthy)
        bench.gateway.offer(other)
        await bench.gateway.until(lambda: other.key in {each.job_key for each in bench.gateway.taken})
        back = [each for each in bench.gateway.taken if each.job_key != other.key]
        # One account tries it, the others are returned as they came.
        assert len(sick.forms) == 1
        assert {each.fields["retries"] for each in back} <= {3}
        release.set()
        await bench.gateway.until(
            lambda: "complete" in {e.name for e in bench.gateway.taken if e not in back}
        )


async def test_an_endpoint_that_fails_is_asked_less_often_and_jobs_keep_their_retries(
    sick: TokenServer,
) -> None:
    sick.faults.extend([status(503)] * 50)
    with capture_logs() as logs:
        async with bench_with_tokens(sick) as bench:
            for count in range(1, 4):
                bench.gateway.offer(job(sick, f"user{count}"))
                await bench.gateway.until_taken(count)
            bench.gateway.offer(job(sick, "late"))
            *tried, returned = await bench.gateway.until_taken(4)
    assert [each.fields["retries"] for each in tried] == [2, 2, 2]
    assert returned.fields["retries"] == 3
    assert f"localhost:{sick.port} does not answer" in returned.fields["message"]
    (opened,) = [line for line in logs if line["event"] == "mail_server_unreachable"]
    assert opened["code"] == "TOKEN_ENDPOINT_UNAVAILABLE"


async def test_many_jobs_of_an_account_fetch_one_token(healthy: TokenServer) -> None:
    async with bench_with_tokens(healthy) as bench:
        bench.gateway.offer(*(job(healthy) for _ in range(8)))
        commands = await bench.gateway.until_taken(8)
    assert {each.name for each in commands} == {"complete"}
    assert len(healthy.forms) == 1


async def test_credentials_that_are_refused_fail_the_job_alone(
    sick: TokenServer, healthy: TokenServer
) -> None:
    async with bench_with_tokens(sick, healthy) as bench:
        variables = job(sick).variables
        wrong = {**variables["authentication"], "clientSecret": "wr0ng-s3cret"}
        bench.gateway.offer(make_job(variables={**variables, "authentication": wrong}))
        (failed,) = await bench.gateway.until_taken(1)
        bench.gateway.offer(job(sick))
        await bench.gateway.until_taken(2)
    assert failed.fields["retries"] == 0
    assert "TOKEN_REFUSED" in failed.fields["message"]
    assert "wr0ng" not in failed.fields["message"]
    assert bench.gateway.taken[1].name == "complete"
