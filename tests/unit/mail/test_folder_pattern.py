"""Which folders a pattern means, in time that grows with the name alone."""

from __future__ import annotations

import pytest
from testkit.work import LINEAR, TIMES_LARGER, growth_of

from worker.mail.imap.folder_pattern import FolderPattern


@pytest.mark.parametrize(
    ("pattern", "name", "delimiter", "matches"),
    [
        ("*", "Projects.2023", ".", True),
        ("", "Projects", ".", False),
        ("projects", "Projects", ".", True),
        ("Projects", "Projects.2023", ".", False),
        ("Projects.*", "Projects/2023/May", "/", True),
        ("Projects/%", "Projects.2023", ".", True),
        ("Projects.%", "Projects.2023.May", ".", False),
        ("Projects.%.May", "Projects.2023.May", ".", True),
        ("%", "Version 1.2", "/", True),
        ("*.May", "May", ".", False),
        ("*%*2023", "Projects.2023", ".", True),
        ("%%", "Projects.2023", ".", False),
        ("Sent", "INBOX.Sent", ".", True),
        ("Sent", "INBOX/Sent", "/", True),
        ("INBOX", "INBOX", None, True),
        ("*b%c", "ab/xbyc", "/", True),
        ("a*b", "ac", "/", False),
        ("stra\u00dfe", "STRASSE", "/", True),
        ("a+b", "aab", "/", False),
        ("\u00e9tude", "E\u0301tude", "/", True),
        ("e\u0301tud%", "\u00c9tude", "/", True),
    ],
)
def test_a_pattern_means_folders(pattern: str, name: str, delimiter: str | None, matches: bool) -> None:
    assert FolderPattern(pattern).matches(name, delimiter) is matches


def test_many_wildcards_take_linear_time() -> None:
    pattern = FolderPattern("*a%" * 300 + "b")

    def match(size: int) -> bool:
        return pattern.matches("a" * size, "/")

    assert growth_of(lambda: match(1_000), lambda: match(1_000 * TIMES_LARGER)) < LINEAR
