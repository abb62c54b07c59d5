"""The directory of the templates: what is written, what is found wanting, what may never change."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli import app
from worker.template import TemplateStore, make_templates
from worker.template.templates import Template


@pytest.fixture
def send() -> Template:
    newest = next(template for template in make_templates() if template.name == "smtp.send")
    return dataclasses.replace(newest, version=1, content={**newest.content, "version": 1})


def changed(template: Template, version: int) -> Template:
    return dataclasses.replace(
        template, version=version, content={**template.content, "version": version, "description": "New."}
    )


def test_what_was_written_is_current(tmp_path: Path, send: Template) -> None:
    store = TemplateStore(tmp_path)
    (path,) = store.write([send])
    assert json.loads(path.read_text("utf-8")) == send.content
    assert store.faults([send]) == []


def test_a_file_that_differs_or_is_missing_is_a_fault(tmp_path: Path, send: Template) -> None:
    store = TemplateStore(tmp_path)
    missing = store.faults([send])
    store.write([changed(send, 1)])
    assert missing == store.faults([send])
    assert missing == [f"{tmp_path}/smtp-send.json is not current; run `email-worker templates`."]


def test_a_published_template_changes_only_with_its_version(tmp_path: Path, send: Template) -> None:
    store = TemplateStore(tmp_path)
    store.publish([send])
    store.write([changed(send, 1)])
    (fault,) = store.faults([changed(send, 1)])
    assert fault.startswith("smtp.send has changed since version 1 was published; raise its version to 2")
    store.write([changed(send, 2)])
    assert store.faults([changed(send, 2)]) == []


def test_publishing_never_writes_over_a_version(tmp_path: Path, send: Template) -> None:
    store = TemplateStore(tmp_path)
    (first,) = store.publish([send])
    assert store.publish([changed(send, 1)]) == []
    (second,) = store.publish([changed(send, 2)])
    assert [first.name, second.name] == ["smtp-send-1.json", "smtp-send-2.json"]
    assert json.loads(first.read_text("utf-8")) == send.content


def test_an_earlier_version_that_is_gone_is_a_fault(tmp_path: Path, send: Template) -> None:
    store = TemplateStore(tmp_path)
    store.publish([send])
    store.write([changed(send, 3)])
    (fault,) = store.faults([changed(send, 3)])
    assert "smtp-send-2.json is missing" in fault


def test_a_directory_is_not_asked_for_what_was_published_before_it(tmp_path: Path, send: Template) -> None:
    store = TemplateStore(tmp_path)
    store.write([changed(send, 2)])
    assert store.faults([changed(send, 2)]) == []
    store.publish([changed(send, 2)])
    assert store.faults([changed(send, 2)]) == []


def test_the_command_writes_checks_and_says_what_differs(tmp_path: Path) -> None:
    runner = CliRunner()
    here = ["templates", "--directory", str(tmp_path), "--only", "imap.move"]
    assert runner.invoke(app, [*here, "--check"]).exit_code == 1
    assert runner.invoke(app, here).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["imap-move.json"]
    assert runner.invoke(app, [*here, "--check"]).exit_code == 0


def test_templates_with_a_prefix_are_next_to_those_without(tmp_path: Path) -> None:
    runner = CliRunner()
    here = ["templates", "--directory", str(tmp_path), "--only", "imap.move"]
    runner.invoke(app, [*here, "--publish"])
    assert runner.invoke(app, [*here, "--prefix", "sales"]).exit_code == 0
    assert {path.name for path in tmp_path.glob("*.json")} == {"imap-move.json", "sales-imap-move.json"}
    assert runner.invoke(app, [*here, "--check"]).exit_code == 0


@pytest.mark.parametrize("prefix", ["my team", "../sales", "sales.", ".sales"])
def test_a_prefix_that_is_invalid_in_a_job_type_or_file_name_is_refused(tmp_path: Path, prefix: str) -> None:
    answer = CliRunner().invoke(app, ["templates", "--directory", str(tmp_path), "--prefix", prefix])
    assert answer.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_the_templates_that_there_are() -> None:
    answer = CliRunner().invoke(app, ["templates", "--only", "imap.send", "--check"])
    assert answer.exit_code == 2
    assert "smtp.send" in answer.output
