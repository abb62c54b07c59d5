"""What commands share: the event loop, exit codes, and how a failure is printed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.errors import EmailError

FAILED = 1

EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", metavar="FILE", help="Read settings from this file too (default: ./.env)."),
]


def print_failure(error: Exception | str) -> None:
    """Print a sentence to standard error."""
    typer.secho(str(error), err=True, fg=typer.colors.RED)


def print_failure_as_json(error: EmailError) -> None:
    """Print a failed operation to standard error: code, message, retryable."""
    failure = {"code": error.code, "message": error.message, "retryable": error.is_retryable}
    typer.echo(json.dumps(failure, ensure_ascii=False), err=True)


def run_command(
    command: Callable[[], Coroutine[Any, Any, None]],
    *,
    explain: Callable[[Any], None] = print_failure,
    expected: type[Exception] = EmailError,
) -> None:
    """Run a command; an expected failure is one sentence on standard error and exit code 1."""
    from worker.event_loop import EventLoop

    try:
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            runner.run(command())
    except (EmailError, expected) as error:
        explain(error)
        raise typer.Exit(FAILED) from None
