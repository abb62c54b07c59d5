"""The worker itself: run, call, check."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.running import FAILED, EnvFile, print_failure_as_json, run_command
from worker.cli.variables import Settings, VariablesFile, read_variables

if TYPE_CHECKING:
    from worker.app import EmailWorker


def run(env_file: EnvFile = None) -> None:
    """Serve jobs until SIGTERM or SIGINT.

    A second signal stops immediately.
    """
    from worker.health import PortTaken

    async def serve() -> None:
        worker = _open_worker(env_file)
        stop = asyncio.Event()
        _stop_on_signal(stop)
        async with worker:
            await worker.serve(stop)

    run_command(serve, expected=PortTaken)


def call(
    operation: Annotated[str, typer.Argument(help="A job type, such as email.smtp.send.")],
    variables: VariablesFile = None,
    settings: Settings = None,
    env_file: EnvFile = None,
) -> None:
    """Run one operation without Camunda and print its result as JSON."""

    async def once() -> None:
        async with _open_worker(env_file) as worker:
            result = await worker.call(operation, read_variables(variables, settings))
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))

    run_command(once, explain=print_failure_as_json)


def check(
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Test this mail server instead of the setup.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="PROTOCOL", help="smtp, imap or pop3; default: by the port of --server."),
    ] = None,
    variables: VariablesFile = None,
    env_file: EnvFile = None,
) -> None:
    """Print the settings, test the setup, report what needs fixing.

    With --server: how a mail server can be reached, and whether the `authentication` of --variables signs in.
    """
    from worker.check import check_setup
    from worker.server_check import check_server

    if server is None and (protocol is not None or variables is not None):
        raise typer.BadParameter("--protocol and --variables need --server.")

    async def report() -> None:
        if server is None:
            is_good = await check_setup(env_file)
        else:
            given = None if variables is None else read_variables(variables, None)
            is_good = await check_server(server, protocol, given, env_file)
        if not is_good:
            raise typer.Exit(FAILED)

    run_command(report)


def _open_worker(env_file: Path | None) -> EmailWorker:
    """Read settings and secrets; from now on, all logs are masked and go to standard error."""
    from worker.app import EmailWorker
    from worker.logs import configure_logs, log_uncaught_errors

    worker = EmailWorker.from_environment(env_file)
    configure_logs(worker.settings.worker, worker.secrets.mask)
    log_uncaught_errors()
    return worker


def _stop_on_signal(stop: asyncio.Event) -> None:
    """The first signal stops the worker gracefully, the second ends the process immediately."""

    def stop_or_leave(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_leave, number)
