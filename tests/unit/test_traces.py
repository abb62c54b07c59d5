"""Spans of jobs and of what was said to mail servers; and that nobody pays for them who has not asked."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from testkit.jobs import make_job, variables_for
from testkit.otel_collector import otel_collector
from testkit.processes import free_port

from worker.errors import InputError
from worker.job.outcome import BpmnError, Completed, Failed, Outcome, Returned
from worker.job.report import JobReport
from worker.mail.account import MailProtocol
from worker.mail.command_trace import CommandTrace, Step, begin_command_trace, traced, traced_step
from worker.masking import Mask, masking
from worker.settings import Settings
from worker.telemetry import Telemetry
from worker.traces import Traces, open_exporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

SERVER = "[2001:db8::1]:587"
CANARY = "canary7391"
SECRET_HOST = "relay.secret.example"


def report(outcome: Outcome, trace: CommandTrace | None = None, server: str = SERVER) -> JobReport:
    now = time.monotonic()
    return JobReport(
        job=make_job(key=17, variables=variables_for(subject=CANARY)),
        operation="email.smtp.send",
        outcome=outcome,
        is_settled=True,
        server=server,
        started_at=now - 2,
        ended_at=now,
        trace=trace or CommandTrace(),
    )


def mask_of(secret: str) -> Mask:
    mask = Mask()
    mask.learn(secret)
    return mask


async def spans_of(*reports: JobReport) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter, mask_of(SECRET_HOST), version="1.2.3")
    for one in reports:
        traces.job_ended(one)
    await traces.close()
    return list(exporter.get_finished_spans())


async def test_a_job_is_a_span_and_its_commands_are_spans_under_it() -> None:
    trace = begin_command_trace()
    with traced_step(MailProtocol.SMTP, SERVER, "connect"):
        pass
    with traced(MailProtocol.SMTP, SERVER, f"MAIL FROM:<{CANARY}@x>", f"RCPT TO:<{CANARY}@y>"):
        pass
    connect, mail, job = await spans_of(report(Completed({"mail": CANARY}), trace))
    assert (job.name, job.kind) == ("process email.test.send", SpanKind.CONSUMER)
    assert [connect.name, mail.name] == ["SMTP connect", "SMTP MAIL RCPT"]
    assert {span.kind for span in (connect, mail)} == {SpanKind.CLIENT}
    assert job.parent is None
    assert job.context is not None
    assert [span.parent.span_id for span in (connect, mail) if span.parent] == [job.context.span_id] * 2
    assert CANARY not in "".join(span.to_json() for span in (connect, mail, job))


async def test_attributes_follow_the_semantic_conventions() -> None:
    trace = begin_command_trace()
    with traced(MailProtocol.SMTP, SERVER, "NOOP"):
        pass
    command, job = await spans_of(report(Completed({}), trace))
    attributes = job.attributes or {}
    assert attributes["messaging.system"] == "camunda"
    assert attributes["messaging.destination.name"] == "email.test.send"
    assert attributes["messaging.message.id"] == "17"
    assert attributes["email_worker.round_trips"] == 1
    assert dict(command.attributes or {}) == {
        "network.protocol.name": "smtp",
        "server.address": "2001:db8::1",
        "server.port": 587,
        "email_worker.commands": 1,
    }
    assert job.resource.attributes["service.name"] == "camunda-email-worker"
    assert job.resource.attributes["service.version"] == "1.2.3"


async def test_times_are_those_of_the_work() -> None:
    trace = begin_command_trace()
    with traced(MailProtocol.SMTP, SERVER, "NOOP"):
        await asyncio.sleep(0.01)
    command, job = await spans_of(report(Completed({}), trace))
    assert command.start_time is not None
    assert command.end_time is not None
    assert job.start_time is not None
    assert job.end_time is not None
    assert (job.end_time - job.start_time) / 1e9 == pytest.approx(2, abs=1e-3)
    assert (command.end_time - command.start_time) / 1e9 == pytest.approx(trace.steps[0].seconds, abs=1e-3)
    assert abs(job.end_time / 1e9 - time.time()) < 60


@pytest.mark.parametrize(
    ("outcome", "error_type"),
    [
        (Completed({}), None),
        (Returned("full"), None),
        (Failed("TIMEOUT", CANARY, retries=1), "TIMEOUT"),
        (BpmnError(CANARY, CANARY, {}), "BPMN_ERROR"),
    ],
)
async def test_a_failure_is_an_error_without_its_text(outcome: Outcome, error_type: str | None) -> None:
    (job,) = await spans_of(report(outcome))
    assert (job.attributes or {}).get("error.type") == error_type
    assert (job.status.status_code is StatusCode.ERROR) == (error_type is not None)
    assert CANARY not in job.to_json()


async def test_a_server_whose_name_is_a_secret_is_masked() -> None:
    step = Step(MailProtocol.SMTP, f"{SECRET_HOST}:25", "EHLO", ("EHLO",), 1.0)
    spans = await spans_of(
        report(Completed({}), server=f"{SECRET_HOST}:25", trace=CommandTrace(steps=[step]))
    )
    assert [(span.attributes or {})["server.address"] for span in spans] == ["***", "***"]
    assert not any(SECRET_HOST in span.to_json() for span in spans)


async def test_a_secret_port_is_left_out() -> None:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter, mask_of("4711"), version="1.2.3")
    traces.job_ended(report(Completed({}), server=f"{SECRET_HOST}:4711"))
    await traces.close()
    (job,) = exporter.get_finished_spans()
    assert "4711" not in job.to_json()


async def test_a_server_is_masked_by_the_mask_of_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, mask = InMemorySpanExporter(), Mask()
    monkeypatch.setattr("worker.traces.open_exporter", lambda *_: exporter)
    telemetry = Telemetry(Settings.from_environment({"OTEL_TRACES_EXPORTER": "otlp"}), Mask(), [])
    mask.learn(SECRET_HOST)
    with masking(mask):
        telemetry.observers.job_ended(report(Completed({}), server=f"{SECRET_HOST}:25"))
    assert telemetry.traces is not None
    await telemetry.traces.close()
    (job,) = exporter.get_finished_spans()
    assert SECRET_HOST not in job.to_json()


def test_opentelemetrys_warnings_show_no_credentials_of_the_collector() -> None:
    script = """
import asyncio
from unit.test_traces import report
from worker.app import EmailWorker
from worker.job.outcome import Completed
from worker.logs import configure_logs
from worker.telemetry import Telemetry
worker = EmailWorker.from_environment()
configure_logs(worker.settings.worker, worker.secrets.mask)
telemetry = Telemetry(worker.settings, worker.secrets.mask, [])
telemetry.observers.job_ended(report(Completed({})))
asyncio.run(telemetry.traces.close())
"""
    given = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://ann:hunter2@127.0.0.1:{free_port()}/v1?key=hunter2",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization: Basic hunter2, x;y=hunter2",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=inherited | given,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Header format invalid!" in done.stderr
    assert "Failed to export" in done.stderr
    assert "hunter2" not in done.stderr


async def test_spans_reach_a_collector_before_the_worker_ends() -> None:
    port = free_port()
    async with otel_collector(port) as received, asyncio.timeout(60):
        url = f"http://127.0.0.1:{port}/v1/traces"
        traces = Traces(open_exporter("otlp", url), Mask(), version="1.2.3")
        traces.job_ended(report(Completed({})))
        await traces.close()
        assert (await received.get()).name == "process email.test.send"


async def test_an_unavailable_collector_delays_the_end_only_for_a_moment() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1/traces"
    traces = Traces(open_exporter(None, url), Mask(), version="1.2.3")
    traces.job_ended(report(Completed({})))
    async with asyncio.timeout(60):
        await traces.close()


@pytest.mark.parametrize(
    ("environment", "are_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SERVICE_NAME": "mail"}, False),
    ],
)
def test_traces_are_made_where_opentelemetrys_variables_ask_for_them(
    environment: dict[str, str], are_wanted: bool
) -> None:
    assert Settings.from_environment(environment).traces.are_wanted is are_wanted


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"ENDPOINT": "http://collector:4318"}, "http://collector:4318/v1/traces"),
        ({"ENDPOINT": "http://collector:4318/base/"}, "http://collector:4318/base/v1/traces"),
        ({"ENDPOINT": "http://other", "TRACES_ENDPOINT": "http://collector/spans"}, "http://collector/spans"),
        ({}, None),
    ],
)
def test_the_address_for_traces_is_taken_as_it_is_and_comes_first(
    environment: dict[str, str], url: str | None
) -> None:
    given = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environment.items()}
    assert Settings.from_environment(given).traces.url == url


def test_an_exporter_that_there_is_not_is_said() -> None:
    with pytest.raises(
        InputError, match="OTEL_TRACES_EXPORTER must be otlp, console or none; found 'zipkin'"
    ):
        Settings.from_environment({"OTEL_TRACES_EXPORTER": "zipkin"})


def observe(prelude: str, **environment: str) -> dict[str, Any]:
    """What an Telemetry in a process of its own imports and logs."""
    script = f"""
import json, sys
{prelude}
from worker.telemetry import Telemetry
from worker.secret_store import Mask
from worker.settings import Settings
from structlog.testing import capture_logs
with capture_logs() as lines:
    Telemetry(Settings.from_environment({environment!r}), Mask(), [])
loaded = any(name.startswith("opentelemetry.") for name in sys.modules)
print(json.dumps({{"lines": lines, "loaded": loaded}}))
"""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=inherited, capture_output=True, text=True, check=True
    )
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def test_opentelemetry_is_not_loaded_if_traces_are_off() -> None:
    assert observe("") == {"lines": [], "loaded": False}


def test_a_missing_extra_is_one_line_that_says_what_to_install() -> None:
    shown = observe("sys.modules['opentelemetry'] = None", OTEL_TRACES_EXPORTER="otlp")
    assert shown["lines"] == [
        {
            "event": "traces_not_installed",
            "log_level": "warning",
            "install": "pip install 'camunda-email-worker[traces]'",
        }
    ]
