"""What is tested is what is shipped: the lock files choose the same version of a package everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LOCKS = Path(__file__).parent.parent.parent / "locks"


def versions(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (LOCKS / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", ["runtime.txt", "sandbox.txt", "build.txt"])
def test_a_lock_agrees_with_the_one_of_the_tests(name: str) -> None:
    assert versions(name).items() <= versions("dev.txt").items()


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_package_has_a_hash_and_no_lock_names_a_server(path: Path) -> None:
    text = path.read_text()
    packages = re.findall(r"^[a-z].*", text, re.MULTILINE)
    assert packages
    assert len(packages) == len(re.findall(r"^[a-z].*==.* \\\n    --hash=sha256:", text, re.MULTILINE))
    assert "://" not in text
