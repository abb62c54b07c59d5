"""Metrics for Prometheus: jobs and commands are counted as they happen, the rest is read at each scrape.

Labels have few values: operations, outcome codes, protocols and command names. Never a server, a mailbox or
the code of a BPMN error: their number is not limited.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily as Counters
from prometheus_client.core import GaugeMetricFamily as Gauges
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from worker.job.outcome import Returned
from worker.job.report import JobReport
from worker.liveness import Liveness
from worker.mail.clients import MailClients
from worker.mail.command_trace import Step

CONTENT_TYPE = CONTENT_TYPE_LATEST
# From one round trip on a warm session to a message of 100 MB over a slow line.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
# Exported as 0 from the start, so that an alert sees the first increase.
_AWAITED_OUTCOMES = (
    "COMPLETED",
    "RETURNED",
    "NOT_REPORTED",
    "AUTHENTICATION_FAILED",
    "TOKEN_REFUSED",
    "SEND_OUTCOME_UNKNOWN",
    "INTERNAL_ERROR",
)


class Metrics:
    """The metrics of one worker, in a separate registry."""

    def __init__(self, operations: Iterable[str], *, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a third more lines that nobody needs
        self._registry = CollectorRegistry()
        self._jobs = self._counter("jobs", "Finished jobs, by operation and outcome.", "operation", "outcome")
        self._incidents = self._counter("incidents", "Jobs that became incidents.", "operation")
        self._commands = self._counter(
            "mail_commands", "Commands sent to mail servers.", "protocol", "command"
        )
        self._delayed = self._counter("command_retries", "Retried reports of outcomes to Camunda.")
        self._job_seconds = self._histogram("job_duration", "Time from activation to the outcome.")
        self._server_seconds = self._histogram(
            "mail_server_duration", "Part of the job duration spent waiting for mail servers."
        )
        self._round_trips = self._counter("mail_round_trips", "Round trips to mail servers.", "operation")
        build = Gauge(
            "email_worker_build_info",
            "Always 1; the labels tell the versions.",
            ["version", "python"],
            registry=self._registry,
        )
        build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self._registry)
        for operation in operations:
            self._incidents.labels(operation)
            for outcome in _AWAITED_OUTCOMES:
                self._jobs.labels(operation, outcome)

    def read(self, clients: MailClients, liveness: Liveness) -> None:
        """Read these too at each scrape."""
        self._registry.register(_Present(clients, liveness))

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def job_ended(self, report: JobReport) -> None:
        """Count a job."""
        self._jobs.labels(report.operation, report.outcome_class).inc()
        if report.is_incident:
            self._incidents.labels(report.operation).inc()
        if not isinstance(report.outcome, Returned):
            self._job_seconds.labels(report.operation).observe(report.seconds)
        if report.trace.steps:
            self._server_seconds.labels(report.operation).observe(report.trace.seconds)
            self._round_trips.labels(report.operation).inc(report.trace.round_trips)

    def report_retried(self) -> None:
        """Count a report that Camunda did not accept and that is sent again."""
        self._delayed.inc()

    def step_begun(self, step: Step) -> None:
        """Count commands; may be called from any thread."""
        for command in step.commands:
            self._commands.labels(step.protocol.value, command).inc()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"email_worker_{name}", meaning, labels, registry=self._registry)

    def _histogram(self, name: str, meaning: str) -> Histogram:
        name = f"email_worker_{name}_seconds"
        return Histogram(name, meaning, ["operation"], buckets=_BUCKETS, registry=self._registry)


class _Present(Collector):
    """The metrics that are read at a scrape."""

    def __init__(self, clients: MailClients, liveness: Liveness) -> None:
        self._clients = clients
        self._liveness = liveness

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._of_the_worker()
        yield from self._of_sessions()
        yield from self._of_deletions()

    def _of_the_worker(self) -> Iterator[Metric]:
        liveness, runtime = self._liveness, self._liveness.runtime
        yield _gauge("jobs_running", "Jobs that are running.", runtime.running_jobs)
        yield _gauge("jobs_running_max", "Jobs that may run at the same time.", runtime.max_jobs)
        circuits = "Mail servers that do not answer; one job at a time tries each."
        yield _gauge("mail_servers_unreachable", circuits, runtime.admission.open_circuits)
        yield _gauge(
            "gateway_connected", "1 if the gateway answers, else 0.", liveness.why_not_connected() is None
        )
        yield _gauge(
            "ready", "1 if the worker is ready (/health/ready), else 0.", not liveness.why_not_ready()
        )
        yield _gauge(
            "event_loop_lag_seconds", "Delay of the event loop, in seconds.", liveness.heartbeat.lag_seconds
        )

    def _of_sessions(self) -> Iterator[Metric]:
        sessions = Gauges(
            "email_worker_sessions", "Open sessions with mail servers.", labels=["protocol", "state"]
        )
        waiters = Gauges("email_worker_session_waiters", "Jobs waiting for a session.", labels=["protocol"])
        opened = Counters("email_worker_sessions_opened", "Sessions opened.", labels=["protocol"])
        reconnects = Counters(
            "email_worker_reconnects",
            "Sessions replaced because their connection was lost.",
            labels=["protocol"],
        )
        for protocol, figures in self._clients.figures().items():
            sessions.add_metric([protocol, "idle"], figures.idle)
            sessions.add_metric([protocol, "busy"], figures.busy)
            waiters.add_metric([protocol], figures.waiting)
            opened.add_metric([protocol], figures.opened)
            reconnects.add_metric([protocol], figures.reconnects)
        yield from (sessions, waiters, opened, reconnects)

    def _of_deletions(self) -> Iterator[Metric]:
        mailboxes = self._clients.pop3
        yield _gauge(
            "pending_deletions", "POP3 emails read but not yet deleted.", mailboxes.pending_deletions
        )
        yield Counters(
            "email_worker_failed_deletions",
            "POP3 emails stored by Camunda whose deletion the server did not confirm.",
            value=mailboxes.failed_deletions,
        )


def _gauge(name: str, meaning: str, value: float) -> Gauges:
    return Gauges(f"email_worker_{name}", meaning, value=value)
