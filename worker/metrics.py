"""Figures for Prometheus: jobs and commands are counted as they come, the rest is read at each scrape.

Labels have few values: operations, outcome codes, protocols and names of commands. Never a server, a mailbox
or the code of a BPMN error, of which there may be any number.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from functools import cache

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
# Shown as 0 from the start, so that an alert sees the first of them.
_AWAITED_OUTCOMES = (
    "COMPLETED",
    "RETURNED",
    "NOT_DELIVERED",
    "AUTHENTICATION_FAILED",
    "SEND_OUTCOME_UNKNOWN",
    "INTERNAL_ERROR",
)


class Metrics:
    """The figures of one worker, in a registry of their own."""

    def __init__(self, operations: Iterable[str], *, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a third more lines that nobody asks for
        self._registry = CollectorRegistry()
        self._jobs = self._counter("jobs", "Jobs that have ended here.", "operation", "outcome")
        self._incidents = self._counter("incidents", "Jobs that a person has to look at.", "operation")
        self._commands = self._counter("mail_commands", "Commands to mail servers.", "protocol", "command")
        self._delayed = self._counter("command_retries", "Outcomes that the engine could not take at once.")
        self._job_seconds = self._histogram("job_duration", "From activation to the outcome.")
        self._server_seconds = self._histogram("mail_server_duration", "Of this, waiting for mail servers.")
        self._round_trips = self._counter("mail_round_trips", "Waits for a mail server.", "operation")
        build = Gauge("email_worker_build_info", "1.", ["version", "python"], registry=self._registry)
        build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self._registry)
        for operation in operations:
            self._incidents(operation)
            for outcome in _AWAITED_OUTCOMES:
                self._jobs(operation, outcome)

    def read(self, clients: MailClients, liveness: Liveness) -> None:
        """Read these too at each scrape."""
        self._registry.register(_Present(clients, liveness))

    def render(self) -> bytes:
        """Return all figures in Prometheus's text format."""
        return generate_latest(self._registry)

    def job_ended(self, report: JobReport) -> None:
        """Count a job."""
        self._jobs(report.operation, report.outcome_class).inc()
        if report.is_incident:
            self._incidents(report.operation).inc()
        if not isinstance(report.outcome, Returned):
            self._job_seconds(report.operation).observe(report.seconds)
        if report.trace.steps:
            self._server_seconds(report.operation).observe(report.trace.seconds)
            self._round_trips(report.operation).inc(report.trace.round_trips)

    def command_delayed(self) -> None:
        """Count an outcome that the engine could not take."""
        self._delayed().inc()

    def step_begun(self, step: Step) -> None:
        """Count commands; from any thread."""
        for command in step.commands:
            self._commands(step.protocol.value, command).inc()

    # The series of some labels, from a cache: prometheus_client takes longer to find one than to count.

    def _counter(self, name: str, meaning: str, *labels: str) -> Callable[..., Counter]:
        counter = Counter(f"email_worker_{name}", meaning, labels, registry=self._registry)
        return cache(counter.labels) if labels else lambda: counter

    def _histogram(self, name: str, meaning: str) -> Callable[..., Histogram]:
        name = f"email_worker_{name}_seconds"
        return cache(
            Histogram(name, meaning, ["operation"], buckets=_BUCKETS, registry=self._registry).labels
        )


class _Present(Collector):
    """What is at the moment of a scrape."""

    def __init__(self, clients: MailClients, liveness: Liveness) -> None:
        self._clients = clients
        self._liveness = liveness

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._of_the_worker()
        yield from self._of_sessions()
        yield from self._of_mails()

    def _of_the_worker(self) -> Iterator[Metric]:
        liveness = self._liveness
        yield _gauge("jobs_running", "Jobs under way.", liveness.running_jobs)
        yield _gauge("jobs_running_max", "How many jobs may be under way.", liveness.max_jobs)
        circuits = "Mail servers that do not answer: one job at a time tries each of them."
        yield _gauge("mail_servers_unreachable", circuits, liveness.open_circuits)
        yield _gauge("gateway_connected", "1: the gateway answers.", liveness.is_connected)
        yield _gauge("ready", "1: /health/ready says so.", not liveness.why_not_ready())
        yield _gauge("event_loop_lag_seconds", "How late the event loop is.", liveness.heartbeat.lag_seconds)

    def _of_sessions(self) -> Iterator[Metric]:
        sessions = Gauges("email_worker_sessions", "Open at mail servers.", labels=["protocol", "state"])
        waiters = Gauges("email_worker_session_waiters", "Jobs waiting for one.", labels=["protocol"])
        opened = Counters("email_worker_sessions_opened", "Opened in all.", labels=["protocol"])
        reconnects = Counters("email_worker_reconnects", "Replaced, as they had died.", labels=["protocol"])
        for protocol, figures in self._clients.figures().items():
            sessions.add_metric([protocol, "idle"], figures.idle)
            sessions.add_metric([protocol, "busy"], figures.busy)
            waiters.add_metric([protocol], figures.waiting)
            opened.add_metric([protocol], figures.opened)
            reconnects.add_metric([protocol], figures.reconnects)
        yield from (sessions, waiters, opened, reconnects)

    def _of_mails(self) -> Iterator[Metric]:
        mailboxes = self._clients.pop3
        yield _gauge("mails_held", "POP3 emails read but not yet deleted.", mailboxes.pending_deletions)
        yield Counters(
            "email_worker_failed_deletions",
            "Mails not seen to go although the engine has them.",
            value=mailboxes.failed_deletions,
        )


def _gauge(name: str, meaning: str, value: float) -> Gauges:
    return Gauges(f"email_worker_{name}", meaning, value=value)
