"""The names that the documentation mentions in passing are names of the product."""

from __future__ import annotations

import re
import tomllib

import pytest
from testkit.pages import PAGES, ROOT

from worker import feel
from worker.cli import app
from worker.settings import settings_fields
from worker.settings.camunda_names import NAMES

INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SETTING = re.compile(r"\b(?:EMAIL_WORKER|ZEEBE|CAMUNDA)_[A-Z0-9_]*[A-Z0-9]\b")
LOG_CALL = re.compile(r"log\.\w+\(\s*(?:[\w.]+, )?\"(\w+)\"")
OURS = {name for name, _, _ in settings_fields()}.union(*NAMES.values())


def inline_code() -> list[str]:
    """Every word or line between single backticks, outside of the fenced blocks."""
    texts = [
        re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for page in PAGES
    ]
    return sorted({code for text in texts for code in INLINE.findall(text)})


INLINE_CODE = inline_code()
EXPRESSIONS = [code for code in INLINE_CODE if re.match(r"=\S", code)]
COMMANDS = [code for code in INLINE_CODE if re.match(r"(email-worker|make) ", code)]


def test_every_setting_that_a_page_names_is_one() -> None:
    named = {name for page in PAGES for name in SETTING.findall(page.read_text("utf-8"))}
    assert sorted(named - OURS) == []


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_in_passing_is_feel(expression: str) -> None:
    assert feel.parse(expression)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_passing_is_one(command: str) -> None:
    program, name, *_ = command.split()
    if program == "make":
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        names = {entry.name or getattr(entry.callback, "__name__", "") for entry in app.registered_commands}
        assert name in names or name.startswith("--")


def test_what_a_page_installs_is_this_directory_or_an_extra_that_there_is() -> None:
    # That both can be installed is for tests/deploy/test_release.py to show.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    known = {f"'{project['name']}[{extra}]'" for extra in project["optional-dependencies"]} | {"."}
    named = {code.removeprefix("pip install ") for code in INLINE_CODE if code.startswith("pip ")}
    assert named
    assert named <= known


def test_the_lines_of_the_log_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    table = page.split("\n## What the log says\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`\w+`.*?) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "worker").rglob("*.py"))
    assert named == set(LOG_CALL.findall(sources))
