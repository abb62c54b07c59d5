"""Read a folder of emails that others wrote: `make corpus FOLDER=…`, see docs/reading.md.

Prints each email that raises or gives no text, and counts.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from worker.mail.message.parse import parse_email
from worker.mail.message.parse_attachments import read_attachments

# What test suites keep next to their emails.
NO_EMAILS = {
    ".json",
    ".md",
    ".py",
    ".rb",
    ".js",
    ".rs",
    ".yml",
    ".yaml",
    ".html",
    ".png",
    ".gif",
    ".au",
    ".msg",
}


def main(folder: Path) -> int:
    """Return the exit code: 1 if an email raised."""
    found: Counter[str] = Counter()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix.lower() not in NO_EMAILS:
            verdict = look_at(path)
            found[verdict] += 1
            if verdict != "read":
                print(f"{verdict}: {path.relative_to(folder)}")
    print(", ".join(f"{count} {verdict}" for verdict, count in found.most_common()) or "no emails")
    return 1 if any(verdict.startswith("raises") for verdict in found) else 0


def look_at(path: Path) -> str:
    """Tell how one email is read."""
    raw = path.read_bytes()
    try:
        mail = parse_email(raw)
        list(read_attachments(raw))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return f"raises {type(error).__name__}"
    if not mail.headers:
        return "no header"
    return "read" if (mail.plain_text_body or mail.html_body or "").strip() else "no text"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
