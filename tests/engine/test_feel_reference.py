"""Our FEEL against the engine's own: the table holds exactly where they differ, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from worker.feel import FeelError, evaluate
from worker.sandbox import FeelAnswer, FeelReference

TABLE = Path(__file__).parents[1] / "data" / "feel" / "expressions.jsonl"
MIN_AGREEMENT = 0.98


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


async def test_the_reference_agrees_except_where_the_table_says_so(
    rows: list[dict[str, Any]], feel_reference: FeelReference
) -> None:
    answers = await feel_reference.evaluate_all(
        [(row["expression"].removeprefix("="), row.get("variables", {})) for row in rows]
    )
    wrong = {
        row["expression"]: (_ours(row), _theirs(answer), row.get("reference"))
        for row, answer in zip(rows, answers, strict=True)
        if not _is_as_recorded(row, _ours(row), _theirs(answer))
    }
    assert wrong == {}


def test_the_recorded_differences_are_few(rows: list[dict[str, Any]]) -> None:
    different = sum("reference" in row for row in rows)
    assert 1 - different / len(rows) >= MIN_AGREEMENT


def _is_as_recorded(row: dict[str, Any], ours: str, theirs: str) -> bool:
    if "reference" in row:
        return ours != theirs and theirs == _text(row["reference"])
    return ours == theirs


def _ours(row: dict[str, Any]) -> str:
    try:
        return _text({"value": evaluate(row["expression"], row.get("variables", {}))})
    except FeelError:
        return _text({"fails": True})


def _theirs(answer: FeelAnswer) -> str:
    return _text({"fails": True} if answer.error is not None else {"value": answer.value})


def _text(outcome: dict[str, Any]) -> str:
    """JSON, because Python holds 1, 1.0 and true to be the same."""
    return json.dumps(outcome, sort_keys=True)
