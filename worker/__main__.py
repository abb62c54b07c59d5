"""`email-worker` and `python -m worker`: the steps before the imports, which take a second."""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2
_INTERRUPTED = 130


def main() -> None:
    """Run the command line. Before the worker serves, a signal ends it: nothing has begun."""
    is_run = sys.argv[1:2] == ["run"]
    if is_run:
        signal.signal(signal.SIGTERM, _leave)
    usual = signal.signal(signal.SIGINT, _leave if is_run else _interrupt)
    _open_standard_streams()
    from worker import cli  # noqa: PLC0415 - see above

    if not is_run:
        signal.signal(signal.SIGINT, usual)
    cli.main()


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def _open_standard_streams() -> None:
    """Reopen those that are closed: a connection would get the number of one, and be written to.

    All text is UTF-8, in any locale: results are JSON.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(_STANDARD_OUTPUT, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(_STANDARD_ERROR, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    main()
