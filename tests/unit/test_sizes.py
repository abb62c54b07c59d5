"""Every function fits on a screen, and every file can be explained after one reading."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

WORKER = Path(__file__).parents[2] / "worker"
MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 300, 40
# A table of fields with their checks, which belong together.
LONGER_FILES: set[str] = set()
FILES = sorted(str(path.relative_to(WORKER)) for path in WORKER.rglob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_no_file_and_no_function_is_long(file: str) -> None:
    text = (WORKER / file).read_text("utf-8")
    assert (len(text.splitlines()) > MOST_LINES_OF_A_FILE) == (file in LONGER_FILES)
    lines = {
        node.name: (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES_OF_A_FUNCTION} == {}
