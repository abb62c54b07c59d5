"""Which rule executes which fenced block of the documentation. A block that none covers is a fault.

What stands behind a fence says what the block is, to readers and to these rules:

json title="Variables of email.imap.list"   called; the next block may be its json "Result" or "Error"
json title="What the expression sees"       the scope of the expressions that follow
feel title="resultExpression"               evaluated; the next block may be json "What it gives"
xml title="…"                               task headers, run on the engine with the variables before them
sh, python, ini title=".env"                run, run, read as settings
diff title="a file"                         made in a copy of the project, by tests/docs/test_contributing.py
yaml title="values.yaml"                    given to the Helm chart
docs/first-process.md                       done from its first block to its last, by a test of its own
json with status and reasons                asked of the health page of a worker that is told to stop
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from testkit.pages import PAGES, ROOT, Block, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = ROOT / "README.md"
FIRST_PROCESS = ROOT / "docs" / "first-process.md"
_VARIABLES = re.compile(r"Variables of (?P<task_type>email\.\w+\.\w+)")
_OUTCOMES = ("Result", "Error")
_GROUPS = {"authentication", "server", "parameters"}


@dataclass(frozen=True)
class Call:
    """An operation with its variables, and what the page says comes of it, if it does."""

    block: Block
    task_type: str
    outcome: Block | None

    @property
    def variables(self) -> dict[str, Any]:
        """The variables as the page shows them."""
        variables = json.loads(self.block.text)
        assert isinstance(variables, dict)
        return variables


@dataclass(frozen=True)
class Evaluation:
    """An expression, what it sees, and what it gives where the page says so."""

    block: Block
    scope: Block | None
    given: Block | None


@dataclass(frozen=True)
class TaskHeaders:
    """The headers of a task, as in a BPMN file, the call that the task makes, and the variables after it."""

    block: Block
    call: Call
    given: Block


@dataclass(frozen=True)
class Shell:
    """Commands for a shell, and the variables that a file named in them holds."""

    block: Block
    call: Call | None


@dataclass(frozen=True)
class Step:
    """A step of docs/first-process.md."""

    block: Block


@dataclass(frozen=True)
class Python:
    """Python to be run with `variables`, and the call that has them."""

    block: Block
    call: Call


@dataclass(frozen=True)
class EnvFile:
    """Settings as they stand in an env file."""

    block: Block


@dataclass(frozen=True)
class ChartValues:
    """Values of the Helm chart."""

    block: Block


@dataclass(frozen=True)
class Tree:
    """Files of the package, as a tree."""

    block: Block


@dataclass(frozen=True)
class Change:
    """A change to a file of the project."""

    block: Block


@dataclass(frozen=True)
class Health:
    """What a health page says of a worker that is told to stop while jobs are under way."""

    block: Block


@dataclass(frozen=True)
class Uncovered:
    """A block that no rule executes: a fault of the page, or a rule to be written here."""

    block: Block


Rule = (
    Call
    | Evaluation
    | TaskHeaders
    | Shell
    | Step
    | Python
    | EnvFile
    | ChartValues
    | Tree
    | Change
    | Health
    | Uncovered
)


def rules_of(page: Path) -> list[Rule]:
    """Return what is to be executed of a page, in order."""
    blocks = read_blocks(page)
    if page == FIRST_PROCESS:
        return [EnvFile(block) if block.title == ".env" else Step(block) for block in blocks]
    rules: list[Rule] = []
    scope: Block | None = None
    while blocks:
        block = blocks.pop(0)
        if block.title == "What the expression sees":
            scope = block
            continue
        follower = blocks[0] if blocks else None
        rule = _rule(block, follower, scope, rules)
        rules.append(rule)
        if follower in (getattr(rule, "outcome", None), getattr(rule, "given", None)) and follower:
            blocks.pop(0)
    return [_with_call(rule, rules) for rule in rules]


def commands_of(block: Block) -> list[str]:
    """Return the commands of a block, without comments; a backslash joins two lines."""
    joined = block.text.replace("\\\n", " ")
    commands = [shlex.join(shlex.split(line, comments=True)) for line in joined.splitlines()]
    return [command for command in commands if command]


def all_rules() -> Iterator[Rule]:
    """Yield what is to be executed of all pages."""
    return chain.from_iterable(map(rules_of, PAGES))


def _rule(block: Block, follower: Block | None, scope: Block | None, before: list[Rule]) -> Rule:
    task_type = _task_type(block)
    if task_type:
        is_outcome = follower is not None and follower.title in _OUTCOMES
        return Call(block, task_type, follower if is_outcome else None)
    given = follower if follower is not None and follower.title == "What it gives" else None
    if block.language == "feel" or (not block.language and block.text.startswith("=")):
        return Evaluation(block, scope, given)
    match block.language:
        case "xml" if given is not None and "<zeebe:taskHeaders>" in block.text:
            return TaskHeaders(block, _last_call(before), given)
        case "sh":
            return Shell(block, None)
        case "python":
            return Python(block, _last_call(before))
    return _lone_rule(block)


def _lone_rule(block: Block) -> Rule:
    """Return the rule of a block that needs no other one."""
    match block.language:
        case "diff" if block.title:
            return Change(block)
        case "ini" if block.title == ".env":
            return EnvFile(block)
        case "yaml" if block.title == "values.yaml":
            return ChartValues(block)
        case "json" if not block.title and json.loads(block.text).keys() == {"status", "reasons"}:
            return Health(block)
        case "" if block.text.startswith("worker/\n"):
            return Tree(block)
    return Uncovered(block)


def _task_type(block: Block) -> str | None:
    if block.language != "json":
        return None
    titled = _VARIABLES.fullmatch(block.title)
    if titled is not None:
        return titled["task_type"]
    # The README's one task sends.
    is_untitled_task = not block.title and json.loads(block.text).keys() == _GROUPS
    return "email.smtp.send" if is_untitled_task else None


def _last_call(rules: list[Rule]) -> Call:
    return next(rule for rule in reversed(rules) if isinstance(rule, Call))


def _with_call(rule: Rule, rules: list[Rule]) -> Rule:
    """The file that `email-worker call` names holds the variables of that operation on the same page."""
    called = re.search(r"email-worker call (\S+)", rule.block.text) if isinstance(rule, Shell) else None
    if called is None:
        return rule
    (call,) = (other for other in rules if isinstance(other, Call) and other.task_type == called[1])
    return Shell(rule.block, call)
