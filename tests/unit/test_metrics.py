"""What Prometheus is told, and that dashboard, alerts and documentation name nothing else."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from testkit.health_pages import Scrape
from testkit.job_bench import Bench
from testkit.jobs import make_job

from worker import errors
from worker.job.outcome import BpmnError, Completed, Failed, Outcome, Returned
from worker.job.report import JobReport
from worker.liveness import Liveness
from worker.mail.account import MailProtocol, ServerPolicy
from worker.mail.clients import MailClients
from worker.mail.command_trace import CommandTrace, begin_command_trace, traced
from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.mailboxes import ImapMailboxes
from worker.mail.pool import Pool, PoolFigures, PoolLimits
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailboxes import Pop3Mailboxes
from worker.mail.smtp.session import SmtpSession
from worker.mail.timeouts import Timeouts
from worker.metrics import Metrics

ROOT = Path(__file__).parent.parent.parent
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text("utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))
OPERATING = (ROOT / "docs" / "operating.md").read_text("utf-8")
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
SEND = "email.smtp.send"
METRIC = re.compile(r"\b(?:email_worker|process)_[a-z_]+\b")


async def never(_: object) -> SmtpSession:
    raise AssertionError("nobody opens a session here")


@pytest.fixture
async def metrics() -> Metrics:
    """Of a worker that has done nothing yet."""
    tls_context, timeouts = ssl.create_default_context(), Timeouts()
    clients = MailClients(
        smtp=Pool(never, PoolLimits()),
        imap=ImapMailboxes(tls_context, timeouts, ImapLimits(), PoolLimits()),
        pop3=Pop3Mailboxes(tls_context, timeouts, Pop3Limits()),
        policy=ServerPolicy(),
        max_result_bytes=1,
    )
    metrics = Metrics([SEND, "email.imap.list"], version="1.2.3")
    metrics.read(clients, Liveness(Bench().runtime(), max_silence_seconds=60))
    return metrics


def scrape(metrics: Metrics) -> Scrape:
    return Scrape(metrics.render().decode())


def report(outcome: Outcome, *, trace: CommandTrace | None = None, is_settled: bool = True) -> JobReport:
    return JobReport(
        job=make_job(),
        operation=SEND,
        outcome=outcome,
        is_settled=is_settled,
        server="mail.example.com:25",
        started_at=10.0,
        ended_at=12.0,
        trace=trace or CommandTrace(),
    )


@pytest.mark.parametrize(
    ("outcome", "is_settled", "label"),
    [
        (Completed({}), True, "COMPLETED"),
        (Completed({}, code="IGNORED"), True, "IGNORED"),
        (Completed({}), False, "NOT_REPORTED"),
        (Returned("full"), True, "RETURNED"),
        (Failed("TIMEOUT", "slow", retries=2), True, "TIMEOUT"),
        (BpmnError("order-4711-is-late", "", {}), True, "BPMN_ERROR"),
    ],
)
async def test_a_job_is_counted_by_operation_and_class_of_outcome(
    metrics: Metrics, outcome: Outcome, is_settled: bool, label: str
) -> None:
    metrics.job_ended(report(outcome, is_settled=is_settled))
    found = scrape(metrics)
    assert found.value("jobs_total", operation=SEND, outcome=label) == 1
    assert "4711" not in found.text
    assert "mail.example.com" not in found.text


@pytest.mark.parametrize(("retries", "is_settled", "incidents"), [(0, True, 1), (1, True, 0), (0, False, 0)])
async def test_a_failure_without_retries_is_an_incident(
    metrics: Metrics, retries: int, is_settled: bool, incidents: int
) -> None:
    metrics.job_ended(report(Failed("TIMEOUT", "slow", retries), is_settled=is_settled))
    assert scrape(metrics).value("incidents_total", operation=SEND) == incidents


async def test_a_job_that_is_returned_says_nothing_about_how_long_jobs_take(metrics: Metrics) -> None:
    metrics.job_ended(report(Returned("full")))
    metrics.job_ended(report(Completed({})))
    found = scrape(metrics)
    assert found.value("job_duration_seconds_count", operation=SEND) == 1
    assert found.value("job_duration_seconds_sum", operation=SEND) == 2.0


async def test_commands_are_counted_by_name_and_their_time_by_operation(metrics: Metrics) -> None:
    trace = begin_command_trace(metrics.step_begun)
    with traced(MailProtocol.SMTP, "mail.example.com:25", "RCPT TO:<a@b>", "RCPT TO:<c@d>", "DATA"):
        pass
    metrics.job_ended(report(Completed({}), trace=trace))
    found = scrape(metrics)
    assert found.value("mail_commands_total", protocol="smtp", command="RCPT") == 2
    assert found.value("mail_commands_total", protocol="smtp", command="DATA") == 1
    assert found.value("mail_round_trips_total", operation=SEND) == 1
    assert found.value("mail_server_duration_seconds_sum", operation=SEND) == trace.seconds


async def test_a_password_is_no_label(metrics: Metrics) -> None:
    begin_command_trace(metrics.step_begun)
    for protocol in MailProtocol:
        traced(protocol, "mail.example.com:25", "hunter2", "PASS hunter2", "LOGIN a hunter2")
    assert "hunter2" not in scrape(metrics).text


async def test_an_outcome_that_had_to_be_reported_again_is_counted(metrics: Metrics) -> None:
    metrics.report_retried()
    assert scrape(metrics).value("command_retries_total") == 1


class BusyRoom:
    """Every figure of it is another number."""

    pop3 = SimpleNamespace(pending_deletions=16, failed_deletions=17)

    def figures(self) -> dict[str, PoolFigures]:
        return {"pop3": PoolFigures(idle=11, busy=12, waiting=13, opened=14, reconnects=15)}


def test_each_value_at_the_moment_of_a_scrape_has_its_metric() -> None:
    metrics = Metrics([SEND], version="1.2.3")
    runtime = Bench().runtime()
    metrics.read(cast("MailClients", BusyRoom()), Liveness(runtime, max_silence_seconds=60))
    found = scrape(metrics)
    assert found.value("sessions", protocol="pop3", state="idle") == 11
    assert found.value("sessions", protocol="pop3", state="busy") == 12
    assert found.value("session_waiters", protocol="pop3") == 13
    assert found.value("sessions_opened_total", protocol="pop3") == 14
    assert found.value("reconnects_total", protocol="pop3") == 15
    assert found.value("pending_deletions") == 16
    assert found.value("failed_deletions_total") == 17
    assert found.value("jobs_running") == 0
    assert found.value("jobs_running_max") == runtime.max_jobs
    assert (found.value("gateway_connected"), found.value("ready")) == (0, 0)


async def test_two_workers_in_one_process_have_separate_metrics(metrics: Metrics) -> None:
    other = Metrics([SEND], version="1.2.3")
    metrics.job_ended(report(Completed({})))
    assert scrape(other).value("jobs_total", operation=SEND, outcome="COMPLETED") == 0


async def test_the_build_and_the_process_are_told(metrics: Metrics) -> None:
    found = scrape(metrics)
    assert 'email_worker_build_info{python="3.' in found.text
    assert 'version="1.2.3"' in found.text
    assert "process_resident_memory_bytes" in found.names


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
async def test_dashboard_and_alerts_name_metrics_and_labels_that_exist(
    metrics: Metrics, where: str, expression: str
) -> None:
    trace = begin_command_trace(metrics.step_begun)
    with traced(MailProtocol.SMTP, "mail.example.com:25", "NOOP"):
        pass
    metrics.job_ended(report(Completed({}), trace=trace))
    found = scrape(metrics)
    named = set(METRIC.findall(expression))
    assert named, where
    assert named <= found.names
    labels = {label for name, given in found.samples if name in named for label, _ in given}
    grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for label in by.split(",")}
    matched = set(re.findall(r"(\w+)!?=~?\"", expression))
    assert grouped | matched <= labels | {"job", "instance"}


def outcomes(rule: dict[str, Any]) -> set[str]:
    found = re.findall(r'outcome!?=~?"([^"]*)"', rule["expr"])
    return {outcome for alternatives in found for outcome in alternatives.split("|")}


def codes(error: type[errors.EmailError]) -> set[str]:
    own = {error.code} if "code" in vars(error) else set()
    return own.union(*(codes(child) for child in error.__subclasses__()))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
async def test_alerts_ask_for_outcomes_that_there_are(metrics: Metrics, rule: dict[str, Any]) -> None:
    asked = outcomes(rule)
    assert asked <= codes(errors.EmailError) | {"COMPLETED", "RETURNED", "NOT_REPORTED"}
    if "increase(" in rule["expr"]:
        # From nothing to 1 is no increase to Prometheus: the series must be there from the start.
        assert all(
            scrape(metrics).value("jobs_total", operation=SEND, outcome=outcome) == 0 for outcome in asked
        )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_summary_a_severity_and_a_section_in_the_documentation(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["runbook_url"] == f"docs/operating.md#{rule['alert'].lower()}"
    assert OPERATING.count(f"\n### {rule['alert']}\n") == 1


async def test_the_documentation_lists_every_metric_and_no_other(metrics: Metrics) -> None:
    rows = OPERATING.split("## Metrics")[1].split("\n## ")[0]
    documented = set(re.findall(r"`(email_worker_[a-z_]+)`", rows))
    parts = ("_bucket", "_count", "_sum")
    metrics.job_ended(report(Completed({})))
    families = re.findall(r"^# TYPE (email_worker_\w+) \w+$", metrics.render().decode(), re.MULTILINE)
    assert documented == {name for name in families if not name.endswith(parts)}


def test_the_dashboard_can_be_imported() -> None:
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(places) == len(set(places))
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
