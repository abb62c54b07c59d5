"""Each recipe of docs/contributing.md is made in a copy of the project, and needs just the files it lists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from testkit.pages import ROOT, read_blocks

PAGE = ROOT / "docs" / "contributing.md"
PARTS = (
    *("worker", "docs", "element-templates", "examples", "tests", "bench", "deploy"),
    *("README.md", "CHANGELOG.md", "Makefile", "mkdocs.yml", "pyproject.toml"),
)
NOT_COPIED = shutil.ignore_patterns("__pycache__", "node_modules", "*.png")
# What finds a recipe that is not whole: tables, templates, pages, imports, errors, settings.
TESTS = (
    *(
        "tests/unit/template",
        "tests/unit/test_docs.py",
        "tests/unit/test_errors.py",
        "tests/unit/test_settings.py",
    ),
    *("tests/unit/test_architecture.py", "tests/unit/mail/test_imap_replies.py", "tests/docs/test_pages.py"),
)
VERSION = re.compile(r"-\d+\.json$")


@dataclass(frozen=True)
class Recipe:
    """A section of the page: the files of its table, in order, and its changes by file."""

    title: str
    files: tuple[str, ...]
    changes: tuple[tuple[str, str], ...]

    @property
    def raised(self) -> set[str]:
        """The templates whose versions the table says are raised."""
        row = re.search(r"`worker/template/versions.py` \| (.*) \|", self.table)
        return set(re.findall(r"`([\w.]+)`", row[1])) if row else set()

    @property
    def table(self) -> str:
        """The text of the section."""
        return sections()[self.title]


def sections() -> dict[str, str]:
    """The text of each recipe by its heading."""
    parts = PAGE.read_text("utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: part for part in parts}


def recipes() -> list[Recipe]:
    blocks, text, found = read_blocks(PAGE), PAGE.read_text("utf-8"), []
    for title, section in sections().items():
        first = text[: text.index(f"\n## {title}\n")].count("\n")
        last = first + section.count("\n") + 1
        changes = [(block.title, block.text) for block in blocks if first < block.line <= last]
        files = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
        found.append(Recipe(title, tuple(dict.fromkeys(files)), tuple(changes)))
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=NOT_COPIED)
        else:
            shutil.copy2(ROOT / part, tmp_path / part)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not {"__pycache__", ".mypy_cache", ".pytest_cache"} & set(path.parts)
    }


def run(root: Path, *command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def apply(root: Path, file: str, diff: str) -> None:
    """Change a file as a block shows it: `+` is added, `-` is removed, all else is there already."""
    lines = diff.splitlines()
    assert all(line[:1] in {"+", "-", " "} for line in lines), diff
    path = root / file
    new = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    if all(line.startswith("+") for line in lines):
        assert not path.exists(), f"{file} is there already"
        path.write_text(new, "utf-8")
        return
    # The last line may be the beginning of one.
    old, text = "\n".join(line[1:] for line in lines if line[0] != "+"), path.read_text("utf-8")
    assert text.count(old) == 1, f"{file} has {text.count(old)} times:\n{old}"
    path.write_text(text.replace(old, new.removesuffix("\n")), "utf-8")


def raise_versions(root: Path, names: set[str]) -> None:
    path = root / "worker" / "template" / "versions.py"
    text = path.read_text("utf-8")
    for name in names:
        text = re.sub(rf'("{re.escape(name)}": )(\d+)', lambda found: found[1] + str(int(found[2]) + 1), text)
    path.write_text(text, "utf-8")


@pytest.mark.slow
def test_a_change_needs_the_files_that_the_page_lists(copy: Path) -> None:
    """The recipes are made one after the other, and what they have made is checked at the end."""
    for recipe in recipes():
        before = contents(copy)
        for file, diff in recipe.changes:
            apply(copy, file, diff)
        raise_versions(copy, recipe.raised)
        run(copy, "docs/generate.py")
        run(copy, "-m", "worker", "templates", "--publish")
        after = contents(copy)
        changed = {
            VERSION.sub("-N.json", path) if "versioned" in path else path
            for path in before.keys() | after.keys()
            if before.get(path) != after.get(path)
        }
        assert changed == set(recipe.files), recipe.title
        run(copy, "docs/generate.py", "--check")
        run(copy, "-m", "worker", "templates", "--check")
    run(copy, "-m", "ruff", "check", "worker")
    if (ROOT / ".mypy_cache").is_dir():  # only what has changed is checked again
        shutil.copytree(ROOT / ".mypy_cache", copy / ".mypy_cache")
    run(copy, "-m", "mypy", "worker")
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)


def test_the_changes_of_a_recipe_are_in_the_order_of_its_list() -> None:
    for recipe in recipes():
        written = list(dict.fromkeys(file for file, _ in recipe.changes))
        assert written == [file for file in recipe.files if file in written], recipe.title
