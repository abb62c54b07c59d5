"""`email-worker` and `python -m worker`: the steps before the imports, which take a second."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2


def main() -> None:
    """Run the command line. Before the worker serves, a signal ends it: nothing has begun."""
    if sys.argv[1:2] == ["run"]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
    _open_standard_streams()
    from worker import cli  # noqa: PLC0415 - see above

    cli.main()


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


def _open_standard_streams() -> None:
    """Reopen those that are closed: a connection would get the number of one, and be written to."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(_STANDARD_OUTPUT, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(_STANDARD_ERROR, "w", closefd=False)


if __name__ == "__main__":
    main()
