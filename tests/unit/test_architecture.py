"""The tables of docs/architecture.md, held against every import in worker/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent.parent
WORKER = ROOT / "worker"
FILES = sorted(path.relative_to(WORKER).as_posix() for path in WORKER.rglob("*.py"))
EVERYTHING = "everything"
# A pure layer has no clock, however it came by one.
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


@cache
def table(name: str) -> list[list[str]]:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    inside = text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    rows = [line.strip()[1:-1].split("|") for line in inside.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((WORKER / file).read_text("utf-8"))


@cache
def imports(file: str) -> frozenset[str]:
    """Every module that `file` imports, and every name that it imports from one, with dots."""
    found: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{_source(node, file)}.{alias.name}" for alias in node.names}
    return frozenset(found)


def _source(node: ast.ImportFrom, file: str) -> str:
    if not node.level:
        return node.module or ""
    package = PurePosixPath("worker", file).parts[: -node.level]
    return ".".join((*package, *([node.module] if node.module else [])))


@cache
def attributes(file: str) -> frozenset[str]:
    return frozenset(
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )


def layer_of(file: str) -> str:
    return file.removesuffix(".py").split("/")[0]


def is_inside(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def matches(file: str, patterns: list[str]) -> bool:
    return any(
        PurePosixPath(file).match(pattern) and file.count("/") == pattern.count("/") for pattern in patterns
    )


def layers() -> dict[str, list[str]]:
    return {
        layer: [EVERYTHING] if allowed == EVERYTHING else names(allowed)
        for cell, allowed in table("layers")
        for layer in names(cell)
    }


def test_every_package_has_a_row_and_every_row_names_packages() -> None:
    assert {layer_of(file) for file in FILES} <= set(layers())
    mentioned = {name.split(".")[0] for allowed in layers().values() for name in allowed} - {EVERYTHING}
    assert mentioned <= set(layers())


def test_no_package_is_allowed_to_import_one_that_is_allowed_to_import_it() -> None:
    def reachable(layer: str) -> Iterator[str]:
        for name in layers()[layer]:
            if name != EVERYTHING:
                yield name.split(".")[0]
                yield from reachable(name.split(".")[0])

    for layer in layers():
        assert layer not in set(reachable(layer))


def test_a_file_imports_only_what_its_package_may() -> None:
    allowed = layers()
    forbidden = [
        f"{file}: {name}"
        for file in FILES
        for name in imports(file)
        if is_inside(name, "worker") and allowed[layer_of(file)] != [EVERYTHING]
        if not any(is_inside(name, f"worker.{each}") for each in (layer_of(file), *allowed[layer_of(file)]))
    ]
    assert forbidden == []


@pytest.mark.parametrize(("libraries", "files"), table("libraries"))
def test_a_library_is_touched_only_in_its_module(libraries: str, files: str) -> None:
    trespassers = [
        f"{file}: {name}"
        for file in FILES
        if not matches(file, names(files))
        for name in (*imports(file), *attributes(file))
        for library in names(libraries)
        if is_inside(name, library)
    ]
    assert trespassers == []


@pytest.mark.parametrize(("files", "modules", "exceptions"), table("pure"))
def test_a_pure_module_has_no_clock_no_chance_no_wait_and_no_socket(
    files: str, modules: str, exceptions: str
) -> None:
    banned = names(modules) or names(table("pure")[0][1])
    pure = [file for file in FILES if matches(file, names(files)) and file not in names(exceptions)]
    for file in pure:
        impure = {name for name in imports(file) for module in banned if is_inside(name, module)}
        assert impure == set(), file
        for node in ast.walk(tree(file)):
            assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{file}:{node.lineno}"
        assert CLOCKS.isdisjoint(attributes(file)), file


def test_the_pure_modules_that_exist_are_found_by_their_patterns() -> None:
    found = [file for files, _, _ in table("pure") for file in FILES if matches(file, names(files))]
    assert {"models/base.py", "job/outcome.py", "mail/message/parse.py", "mail/message/sort_keys.py"} <= set(
        found
    )
