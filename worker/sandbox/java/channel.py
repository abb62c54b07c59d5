"""The child's end of the pipes to its parent: one JSON object a line.

Requests {"id", "method", "arguments"} come on standard input, the first one starts the service; answers
{"id", "result"} or {"id", "error"} and notices {"event"} go to standard output.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TextIO

Notify = Callable[[str], None]
Methods = dict[str, Callable[..., Any]]

_REQUESTS_AT_ONCE = 8


class Channel:
    """Writes whole lines from any thread."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._lock = threading.Lock()

    def notify(self, event_json: str) -> None:
        """Tell the parent of an event that is JSON already."""
        self._write(f'{{"event": {event_json}}}\n')

    def answer(self, request_id: int, outcome: dict[str, Any]) -> None:
        """Answer a request with {"result": ...} or {"error": ...}."""
        self._write(json.dumps({"id": request_id, **outcome}) + "\n")

    def _write(self, line: str) -> None:
        with self._lock:
            self._output.write(line)
            self._output.flush()


def serve(start: Callable[..., Methods]) -> None:
    """Start the service as the first line says and answer requests until standard input ends."""
    channel = Channel(_take_standard_output())
    methods: Methods = {}
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        with suppress(BrokenPipeError):  # the parent has gone while the service started
            for line in sys.stdin:
                request = json.loads(line)
                if request["method"] == "start":
                    _answer(channel, request, lambda **given: methods.update(start(channel.notify, **given)))
                else:
                    pool.submit(_answer, channel, request, methods[request["method"]])
        # The parent has gone: Java's own threads would keep an orderly exit waiting.
        os._exit(0)


def _answer(channel: Channel, request: dict[str, Any], method: Callable[..., Any]) -> None:
    try:
        outcome = {"result": method(**request["arguments"])}
    except Exception as error:  # noqa: BLE001 - Java's exceptions too; the parent raises it as its own
        outcome = {"error": str(error).strip().splitlines()[0] if str(error).strip() else repr(error)}
    channel.answer(request["id"], outcome)


def _take_standard_output() -> TextIO:
    # Java's loggers print to standard output: they get standard error instead.
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "w", encoding="utf-8")
