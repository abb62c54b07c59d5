"""The texts that people read: pages, texts and comments of worker/ and bench/, templates, deploy/."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from typing import TYPE_CHECKING, Any

import yaml

from testkit.pages import PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Sentence = tuple[str, str]
"""Where it is, and its text, without code in backticks and the targets of links."""

# Keywords of a template are what people search for, and an id is a name.
_TEXTS_OF_JSON = {
    "name",
    "title",
    "label",
    "description",
    "tooltip",
    "constraints",
    "message",
    "legendFormat",
}
_COMMENTED = ("Makefile", "Dockerfile", "docker-compose.yml", "deploy/**/*.y*ml")


def sentences() -> Iterator[Sentence]:
    """Yield every text."""
    for page in (*PAGES, ROOT / "CHANGELOG.md"):
        yield from _of_page(page)
    for file in sorted([*(ROOT / "worker").rglob("*.py"), *(ROOT / "bench").glob("*.py")]):
        yield from _of_source(file)
    for pattern in _COMMENTED:
        for file in sorted(ROOT.glob(pattern)):
            yield from _of_comments(file)
    for file in sorted((ROOT / "element-templates").glob("*.json")):
        yield from _of_json(file)
    yield from _of_json(ROOT / "deploy" / "grafana" / "dashboard.json")
    yield from _of_alerts(ROOT / "deploy" / "prometheus" / "alerts.yml")


def _of_page(page: Path) -> Iterator[Sentence]:
    # Lines keep their numbers: what is left out leaves its line ends.
    text = re.sub(
        r"^ *```.*?^ *```",
        lambda block: "\n" * block[0].count("\n"),
        page.read_text("utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    for number, line in enumerate(text.splitlines(), start=1):
        yield f"{page.relative_to(ROOT)}:{number}", _without_code(line)


def _of_source(file: Path) -> Iterator[Sentence]:
    source, name = file.read_text("utf-8"), file.relative_to(ROOT)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_prose(node.value):
            yield f"{name}:{node.lineno}", _without_code(node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and "noqa" not in token.string:
            # What stands in quotation marks is said by a server, or is a value.
            yield f"{name}:{token.start[0]}", _without_code(re.sub(r'"[^"]*"', '"…"', token.string))


def _is_prose(text: str) -> bool:
    """Tell a sentence from a name and from a regular expression."""
    return " " in text and "\\b" not in text


def _of_json(file: Path) -> Iterator[Sentence]:
    for text in _texts(json.loads(file.read_text("utf-8"))):
        yield str(file.relative_to(ROOT)), _without_code(re.sub(r"<code>.*?</code>", "", text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, entry in value.items():
            if isinstance(entry, str) and name in _TEXTS_OF_JSON:
                yield entry
            else:
                yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _of_comments(file: Path) -> Iterator[Sentence]:
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        comment = re.search(r"(?:^| )#+ (.*)", line)
        if comment is not None:
            yield f"{file.relative_to(ROOT)}:{number}", _without_code(comment[1])


def _of_alerts(file: Path) -> Iterator[Sentence]:
    for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            yield f"{file.relative_to(ROOT)}: {rule['alert']}", rule["annotations"]["summary"]


def _without_code(text: str) -> str:
    return re.sub(r"\]\([^)\s]*\)", "]", re.sub(r"`[^`\n]*`", "`…`", text))
