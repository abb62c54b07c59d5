"""The tree of errors: what each says of itself is what it is raised with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import worker
from worker import errors
from worker.errors import EmailError

WORKER = Path(worker.__file__).parent
ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, EmailError) and hasattr(kind, "code")
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.__name__)
def test_each_error_says_in_one_imperative_sentence_what_to_do(error: type[EmailError]) -> None:
    assert error.remedy[0].isupper()
    assert error.remedy.endswith(".")
    assert not re.search(r"[.!?] ", error.remedy)


def test_no_two_errors_have_one_code() -> None:
    assert len({error.code for error in ERRORS.values()}) == len(ERRORS)


def test_an_error_is_raised_with_the_details_of_its_docstring() -> None:
    undocumented = {
        f"{name}: {detail}" for name, detail in _given_details() if detail not in _documented(ERRORS[name])
    }
    assert undocumented == set()


@pytest.mark.parametrize(
    "name", ["UrlNotAllowed", "DocumentStoreMissing", "FolderNotFound", "ResultTooLarge"]
)
def test_the_details_of_a_docstring_are_those_that_an_error_is_raised_with(name: str) -> None:
    given = {detail for error, detail in _given_details() if error == name}
    assert _documented(ERRORS[name]) - {"none"} == given


def _given_details() -> Iterator[tuple[str, str]]:
    for file in WORKER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                yield from ((node.func.id, word.arg) for word in node.keywords if word.arg)


def _documented(error: type[EmailError]) -> set[str]:
    """The names of the details, as the nearest class in the tree that names them has them."""
    for parent in error.__mro__:
        found = re.search(r"`details`: ([^.]*)", parent.__doc__ or "")
        if found:
            return set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", found[1])))
    return set()
