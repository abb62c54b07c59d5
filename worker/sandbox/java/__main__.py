"""`python -m worker.sandbox.java SERVICE`: started by worker.sandbox.child, never by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable

from worker.sandbox.java import engine, feel, mail, rehearsal
from worker.sandbox.java.channel import Methods, serve

_SERVICES: dict[str, Callable[..., Methods]] = {
    "engine": engine.start,
    "mail server": mail.start,
    "feel": feel.start,
    "rehearsal": rehearsal.start,
}

if __name__ == "__main__":
    serve(_SERVICES[sys.argv[1]])
