"""Every expression of the table gives the value that is pinned there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from worker.feel import FeelError, evaluate

TABLE = Path(__file__).parents[2] / "data" / "feel" / "expressions.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['topic']}: {row['expression']}")
def test_an_expression_gives_its_pinned_value(row: dict[str, Any]) -> None:
    if row.get("fails"):
        with pytest.raises(FeelError):
            evaluate(row["expression"], row.get("variables", {}))
    else:
        value = evaluate(row["expression"], row.get("variables", {}))
        assert json.dumps(value, sort_keys=True) == json.dumps(row["value"], sort_keys=True)


def test_the_table_has_each_expression_once() -> None:
    counts = Counter(json.dumps([row["expression"], row.get("variables")]) for row in ROWS)
    assert [row for row, count in counts.items() if count > 1] == []


def test_the_table_has_at_least_four_hundred_expressions() -> None:
    assert len(ROWS) >= 400


def test_each_difference_is_explained_in_the_docs() -> None:
    docs = (TABLE.parents[3] / "docs" / "feel.md").read_text(encoding="utf-8")
    reasons = {row["reason"] for row in ROWS if "reference" in row}
    assert {reason for reason in reasons if reason not in docs} == set()
