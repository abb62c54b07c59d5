"""Structured logs: JSON for machines, short lines for people, never a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from worker.masking import Mask, current_mask, excerpt, masking
from worker.settings import LogFormat, WorkerSettings

log = structlog.get_logger(__name__)

_SHOWN_OBJECT = re.compile("[<(]")
# Of a line of a library, which may quote what it got from outside.
_SHOWN_CHARACTERS = 1_000
# What the worker itself writes: a secret that looks the same must not change it.
_OWN_FIELDS = frozenset({"event", "level", "timestamp", "code", "outcome", "operation", "task_type"})
_FIRST_FIELDS = ("timestamp", "level", "event")
_CONSOLE_COLUMNS = 160
# What a person at a terminal does not look for, or sees in another field.
_NOT_ON_CONSOLE = frozenset(
    {"job_key", "task_type", "tenant_id", "code", "server_seconds", "commands", "round_trips"}
)
_SHORT_NAMES = {"process_instance_key": "instance", "element_id": "element", "bpmn_process_id": "process"}
_COLORS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}


def configure_logs(settings: WorkerSettings, mask: Mask) -> None:
    """Send the worker's events and the libraries' warnings to standard error in one form."""

    def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        now = current_mask(default=mask)
        return {name: value if name in _OWN_FIELDS else now.hide_in(value) for name, value in event.items()}

    def first_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        now = current_mask(default=mask)
        with masking(now):
            line = _first_line(now.hide(str(event["event"])), event["_record"].name)
            return {**event, "event": excerpt(line, _SHOWN_CHARACTERS)}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_where_it_failed),
        hide_secrets,
        _put_in_order if settings.log_error_messages else _put_in_order_without_message,
    ]
    renderer, lines = _renderer(settings), _Lines(sys.stderr)
    # Not by way of logging, which takes twice as long: each job is a line.
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level.value),
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


def _put_in_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {**{name: event[name] for name in _FIRST_FIELDS if name in event}, **event}


def _put_in_order_without_message(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event.pop("message", None)
    return _put_in_order(logger, method, event)


def log_uncaught_errors() -> None:
    """Log what Python would print by itself, texts included: errors that nobody caught, and warnings."""
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _, error, __: log.error("worker_failed", exc_info=error)
    sys.unraisablehook = lambda given: log.error("error_ignored", exc_info=given.exc_value)
    threading.excepthook = lambda given: log.error("thread_failed", exc_info=given.exc_value)


def _first_line(text: str, logger: str) -> str:
    """Leave out what libraries print below their first line, and whom asyncio names in it.

    It shows whole tasks and callbacks there, with their results, errors and arguments.
    """
    line = text.partition("\n")[0]
    if logger == "asyncio":
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


def _renderer(settings: WorkerSettings) -> Processor:
    wants_json = settings.log_format is LogFormat.JSON or (
        settings.log_format is LogFormat.AUTO and not sys.stderr.isatty()
    )
    if wants_json:
        return structlog.processors.JSONRenderer()
    return _console_lines


def _console_lines(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Return an event in lines of at most 160 characters; those after the first are indented."""
    time, level = str(event.pop("timestamp"))[11:19], str(event.pop("level"))
    head = f"{time} {level:<7} {_printable(event.pop('event'))}"
    shown = {_SHORT_NAMES.get(name, name): value for name, value in event.items() if value is not None}
    if "message" in shown:
        shown["message"] = shown.pop("message")  # the longest comes last
    else:
        shown.pop("process", None)
    fields = [f"{name}={_printable(value)}" for name, value in shown.items() if name not in _NOT_ON_CONSOLE]
    lines = textwrap.wrap(
        " ".join((head, *fields)), _CONSOLE_COLUMNS, subsequent_indent="    ", break_on_hyphens=False
    )
    if sys.stderr.isatty():
        lines[0] = lines[0].replace(level, f"{_COLORS.get(level, '')}{level}\x1b[0m", 1)
    return "\n".join(lines)


def _printable(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isprintable() else repr(text)[1:-1]
