"""Structured logs: one event per line, JSON for machines and colour for people, never a secret."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from worker.masking import Mask, current_mask
from worker.settings import LogFormat, WorkerSettings

log = structlog.get_logger(__name__)

_SHOWN_OBJECT = re.compile("[<(]")
# What the worker itself writes: a secret that looks the same must not change it.
_OWN_FIELDS = frozenset({"event", "level", "timestamp", "code", "outcome", "operation", "task_type"})


def configure_logs(settings: WorkerSettings, mask: Mask) -> None:
    """Send the worker's events and the libraries' warnings to standard error in one form."""

    def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        now = current_mask(default=mask)
        return {name: value if name in _OWN_FIELDS else now.hide_in(value) for name, value in event.items()}

    def first_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**event, "event": current_mask(default=mask).hide(_first_line(event))}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_where_it_failed),
        hide_secrets,
    ]
    renderer, lines = _renderer(settings), _Lines(sys.stderr)
    # Not by way of logging, which takes twice as long: each job is a line.
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_level(settings)),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[first_line, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries may log what they were given, variables included: only their warnings pass.
    root.setLevel(logging.WARNING)


class _Lines:
    """Where log lines go. One that cannot be written is lost, as with logging: no job fails for it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        """Write a line immediately."""
        with suppress(OSError, ValueError):  # a pipe without a reader, a file that was closed
            self._file.write(f"{line}\n")
            self._file.flush()

    debug = info = warning = error = critical = write


def log_uncaught_errors() -> None:
    """Log what Python would print by itself, texts included: errors that nobody caught, and warnings."""
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _, error, __: log.error("worker_failed", exc_info=error)
    sys.unraisablehook = lambda given: log.error("error_ignored", exc_info=given.exc_value)
    threading.excepthook = lambda given: log.error("thread_failed", exc_info=given.exc_value)


def _first_line(event: EventDict) -> str:
    """Leave out what libraries print below their first line, and whom asyncio names in it.

    It shows whole tasks and callbacks there, with their results, errors and arguments.
    """
    line = str(event["event"]).partition("\n")[0]
    if event["_record"].name == "asyncio":
        line = _SHOWN_OBJECT.split(line)[0].rstrip()
    return line


def _where_it_failed(exc_info: ExcInfo) -> str:
    """Return the places and kinds of an error and of what caused it, without their texts.

    The text of an unexpected error may quote an email or a job's variables.
    """
    return " <- ".join(_place(error) for error in _chain(exc_info[1]))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    places = ", ".join(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in frames)
    return f"{type(error).__qualname__} in {places or 'no known place'}"


def _level(settings: WorkerSettings) -> int:
    return logging.getLevelNamesMapping()[settings.log_level.value.upper()]


def _renderer(settings: WorkerSettings) -> Processor:
    wants_json = settings.log_format is LogFormat.JSON or (
        settings.log_format is LogFormat.AUTO and not sys.stderr.isatty()
    )
    if wants_json:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
