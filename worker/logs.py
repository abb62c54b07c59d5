"""Structured logs: one event a line, JSON for machines and colour for people, never a secret."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.secret_store import Mask
from worker.settings import LogFormat, WorkerSettings


def configure_logs(settings: WorkerSettings, mask: Mask) -> None:
    """Send our events and the libraries' warnings to standard error in one form."""

    def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {name: mask.hide_in(value) for name, value in event.items()}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_level(settings)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(settings)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries may log what they were given, variables included: only their warnings pass.
    root.setLevel(logging.WARNING)
    logging.getLogger("worker").setLevel(_level(settings))


def _level(settings: WorkerSettings) -> int:
    return logging.getLevelNamesMapping()[settings.log_level.value.upper()]


def _renderer(settings: WorkerSettings) -> Processor:
    wants_json = settings.log_format is LogFormat.JSON or (
        settings.log_format is LogFormat.AUTO and not sys.stderr.isatty()
    )
    if wants_json:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
