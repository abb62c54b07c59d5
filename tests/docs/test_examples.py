"""Every example of the documentation does what its page says."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from dotenv import dotenv_values
from testkit.block_rules import (
    Call,
    ChartValues,
    Elsewhere,
    EnvFile,
    Evaluation,
    Health,
    Python,
    TaskHeaders,
    Tree,
    Uncovered,
    all_rules,
)
from testkit.bpmn import ZEEBE, one_task_process
from testkit.health_pages import HealthPages
from testkit.helm import CHART, helm
from testkit.jobs import make_job
from testkit.pages import ROOT
from testkit.processes import free_port
from testkit.scripted_server import hang
from testkit.scripted_smtp import ScriptedSmtp, SmtpStep
from testkit.workers import WorkerProcess, email_worker, serving

from worker import feel
from worker.errors import EmailError
from worker.job.expressions import HeaderExpression, examine
from worker.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.block_rules import Rule
    from testkit.mail_servers import Example, MailServers
    from testkit.pages import Block

    from worker.sandbox import Engine

RULES = list(all_rules())
# A new one with every send: what it looks like is all that a page can show.
SENT_MESSAGE_ID = re.compile(r"<[\w.-]+@example\.com>")


def each(kind: type[Rule]) -> pytest.MarkDecorator:
    """Give a test every block of a kind, named by its place."""
    rules = [rule for rule in RULES if isinstance(rule, kind)]
    assert rules, f"no page has a block for {kind.__name__}"
    return pytest.mark.parametrize("rule", rules, ids=[rule.block.place for rule in rules])


def test_every_block_is_executed_by_a_rule() -> None:
    assert [rule.block.place for rule in RULES if isinstance(rule, Uncovered)] == []


@each(Elsewhere)
def test_a_page_with_commands_that_no_test_runs_says_so(rule: Elsewhere) -> None:
    page = rule.block.page.read_text("utf-8")
    assert '!!! warning "Not tested"' in page.partition(rule.block.text)[0]


@each(Call)
async def test_the_variables_of_a_page_give_the_result_that_it_shows(
    rule: Call, mail_servers: MailServers
) -> None:
    async with mail_servers.example(rule.task_type, rule.variables) as example:
        outcome = await outcome_of(example)
    if rule.outcome is None:
        assert "code" not in outcome, outcome
    else:
        assert comparable(outcome) == comparable(json.loads(rule.outcome.text))


async def outcome_of(example: Example) -> Any:
    """The result, or the failure as `email-worker call` prints it."""
    async with email_worker(**example.environment) as email:
        try:
            return await email.call(example.task_type, example.variables)
        except EmailError as error:
            message = example.as_documented(error.message)
            return {"code": error.code, "message": message, "retryable": error.is_retryable}


def comparable(value: Any) -> Any:
    """The value, with what is made anew each time replaced: ids of sent mails and of stored documents."""
    if isinstance(value, list):
        return [comparable(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    new = {name: "a new one" for name in ("documentId", "contentHash", "storeId") if name in value}
    if {"sent", "messageId"} <= value.keys():
        assert SENT_MESSAGE_ID.fullmatch(value["messageId"])
        new["messageId"] = "a new one"
    return {name: comparable(entry) for name, entry in (value | new).items()}


@each(Evaluation)
def test_an_expression_gives_what_its_page_says(rule: Evaluation) -> None:
    scope = scope_of(rule.scope)
    value = feel.evaluate(rule.block.text.strip(), scope)
    if rule.given is not None:
        assert value == json.loads(rule.given.text)
    else:
        assert isinstance(value, dict)
    if rule.block.title == "errorExpression":
        # The worker refuses what is neither null nor a call of one of the three functions.
        expression = HeaderExpression.of({"errorExpression": rule.block.text}, "errorExpression")
        examine(expression, scope, make_job(retries=scope["job"]["retries"]))


def scope_of(block: Block | None) -> dict[str, Any]:
    scope = json.loads(block.text) if block else {}
    assert isinstance(scope, dict)
    return scope


@each(TaskHeaders)
async def test_the_headers_of_a_task_make_the_variables_that_the_page_shows(
    rule: TaskHeaders, engine: Engine, mail_servers: MailServers
) -> None:
    declared = f'<task xmlns:zeebe="{ZEEBE}">{rule.block.text}</task>'
    headers = {
        each.attrib["key"]: each.attrib["value"]
        for each in ET.fromstring(declared).iter(f"{{{ZEEBE}}}header")
    }
    await engine.deploy(
        one_task_process("documented", rule.call.task_type, headers=headers), "documented.bpmn"
    )
    async with (
        mail_servers.example(rule.call.task_type, rule.call.variables) as example,
        serving(engine.address, **example.environment),
    ):
        instance = await engine.create_instance("documented", example.variables)
        variables = await engine.completed(instance)
    given = {name: value for name, value in variables.items() if name not in example.variables}
    assert comparable(given) == comparable(json.loads(rule.given.text))


@each(Python)
async def test_the_python_of_a_page_runs(
    rule: Python, mail_servers: MailServers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = "\n".join(f"    {line}" for line in rule.block.text.splitlines())
    source = f"async def documented(variables):\n{body}\n    return result\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, rule.block.place, "exec"), namespace)
    async with mail_servers.example(rule.call.task_type, rule.call.variables) as example:
        monkeypatch.chdir(tmp_path)
        for name, value in example.environment.items():
            monkeypatch.setenv(name, value)
        result = await namespace["documented"](example.variables)
    assert result["sent"] is True


@each(Health)
async def test_a_health_page_says_why_a_worker_is_not_ready(rule: Health, engine: Engine) -> None:
    documented = json.loads(rule.block.text)
    (jobs,) = map(int, re.findall(r"\d+", documented["reasons"][0]))
    port = free_port()
    # A task type of its own: no job that another test has left is under way here.
    await engine.deploy(one_task_process("stopping", "stopping.email.smtp.send"), "stopping.bpmn")
    async with (
        ScriptedSmtp({SmtpStep.EHLO: hang()}) as server,
        WorkerProcess.start(
            engine.address, EMAIL_WORKER_HEALTH_PORT=str(port), EMAIL_WORKER_TASK_TYPE_PREFIX="stopping"
        ) as worker,
        HealthPages.at(port) as pages,
    ):
        given = letter(server.port)
        instances = [await engine.create_instance("stopping", given) for _ in range(jobs)]
        await server.heard("EHLO", jobs)
        worker.signal(signal.SIGTERM)
        assert await pages.until("ready", 503) == documented
    for instance in instances:
        await engine.cancel_instance(instance)


def letter(port: int) -> dict[str, Any]:
    return {
        "authentication": {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": {"from": "a@example.com", "to": "b@example.com", "subject": "s", "body": "b"},
    }


@each(ChartValues)
def test_the_values_of_a_page_are_values_of_the_chart(rule: ChartValues, tmp_path: Path) -> None:
    file = tmp_path / rule.block.title
    file.write_text(rule.block.text)
    made = helm("template", "email-worker", CHART, "--values", file)
    assert made.returncode == 0, made.stderr
    config = next(each for each in yaml.safe_load_all(made.stdout) if each["kind"] == "ConfigMap")
    sign_in = {"ZEEBE_CLIENT_ID": "worker", "ZEEBE_CLIENT_SECRET": "a secret"}
    assert Settings.from_environment({**config["data"], **sign_in}).gateway.target


@each(EnvFile)
def test_the_settings_of_a_page_are_settings(rule: EnvFile, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(rule.block.text)
    given = {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    settings = Settings.from_environment(given)
    known = {
        str(field.alias)
        for group in (settings.gateway, settings.worker, *settings.defaults.values())
        for field in type(group).model_fields.values()
    }
    assert {name for name in given if not name.startswith(settings.worker.secret_prefix)} <= known


@each(Tree)
def test_the_files_of_a_tree_are_there(rule: Tree) -> None:
    named = re.findall(r"[\w*]+\.py|\b\w+/", rule.block.text)
    package = ROOT / "worker"
    assert [name for name in named if name != "worker/" and not any(package.rglob(name.rstrip("/")))] == []
