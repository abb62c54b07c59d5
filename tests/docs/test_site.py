"""The documentation as a site: whole, and loaded from nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from testkit.pages import PAGES, ROOT

LOADED = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(?:https?:)?//[^\"> ]+", re.IGNORECASE)
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\((?!https?:|#)([^)#\s]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", directory],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = build.stdout + build.stderr
    assert build.returncode == 0, said
    assert "WARNING" not in said
    return directory


def test_every_page_is_built(site: Path) -> None:
    pages = [page for page in PAGES if page.parent != ROOT]
    missing = [page for page in pages if not (site / built(page)).is_file()]
    assert missing == []


def built(page: Path) -> Path:
    name = page.relative_to(ROOT / "docs").with_suffix("")
    return name.parent / "index.html" if name.name == "index" else name / "index.html"


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = {found for page in site.rglob("*.html") for found in LOADED.findall(page.read_text("utf-8"))}
    styles = "".join(style.read_text("utf-8") for style in site.rglob("*.css"))
    assert loaded == set()
    assert re.findall(r"url\(['\"]?(?:https?:)?//|@import", styles) == []


def test_the_links_of_every_page_lead_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in LINK.findall(FENCED.sub("", page.read_text("utf-8")))
        if not (page.parent / target).exists()
    ]
    assert dead == []
