"""The command line: email-worker run, call, check, templates, deploy, start, demo, sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from worker import __version__
from worker.errors import EmailError, EngineError, InputError

if TYPE_CHECKING:
    from worker.job.gateway import ZeebeGateway

app = typer.Typer(
    name="email-worker",
    help="Sends and handles email for Camunda 8 processes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

T = TypeVar("T")

_FAILED = 1

EnvFile = Annotated[
    Path | None, typer.Option("--env-file", help="Read settings from this file too (default: ./.env).")
]


def main() -> None:
    """Run the command line."""
    app()


def _read_docs_url(url: str) -> str:
    if url and not url.startswith(("https://", "http://")):
        raise typer.BadParameter(f"must begin with https:// or http://, found {url!r}.")
    return url if not url or "{page}" in url else f"{url.removesuffix('/')}/{{page}}/"


def _read_prefix(prefix: str) -> str:
    from worker.settings.worker import check_task_type_prefix

    try:
        return prefix and check_task_type_prefix(prefix)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sends and handles email for Camunda 8 processes."""


@app.command()
def run(env_file: EnvFile = None) -> None:
    """Serve jobs until SIGTERM or SIGINT; a second signal stops at once."""
    from worker.app import EmailWorker
    from worker.health import PortTaken
    from worker.logs import configure_logs, log_uncaught_errors

    async def serve() -> None:
        worker = EmailWorker.from_environment(env_file)
        configure_logs(worker.settings.worker, worker.secrets.mask)
        log_uncaught_errors()
        stop = asyncio.Event()
        _stop_on_signal(stop)
        async with worker:
            await worker.serve(stop)

    _run(serve, expected=PortTaken)


@app.command()
def call(
    operation: Annotated[str, typer.Argument(help="A task type, such as email.smtp.send.")],
    variables: Annotated[
        str, typer.Option(help="JSON file with the variables of a job, or - for standard input.")
    ],
    env_file: EnvFile = None,
) -> None:
    """Do one operation without an engine and print its result as JSON."""
    from worker.app import EmailWorker

    async def once() -> None:
        async with EmailWorker.from_environment(env_file) as worker:
            result = await worker.call(operation, _read_variables(variables))
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))

    _run(once, explain=_print_as_json)


@app.command()
def check(env_file: EnvFile = None) -> None:
    """Print the settings, reach the gateway, and say what to mend."""
    from worker.check import check_setup

    if not _run_on_loop(check_setup(env_file)):
        raise typer.Exit(_FAILED)


@app.command()
def templates(
    directory: Annotated[Path, typer.Option(help="Where they are.")] = Path("element-templates"),
    only: Annotated[
        list[str] | None, typer.Option(help="A template alone, such as smtp.send; may be repeated.")
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(
            help="Put before task types, ids, names and files: <prefix>.email.…", callback=_read_prefix
        ),
    ] = "",
    docs_url: Annotated[
        str,
        typer.Option(
            help="Where the documentation is read, such as https://docs.example.com/{page}/.",
            callback=_read_docs_url,
        ),
    ] = "",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where a file differs.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Keep this version under versioned/.")] = False,
) -> None:
    """Write the element templates for Camunda Modeler, desktop and web."""
    from worker.template import TemplateStore, make_templates

    made = make_templates(prefix=prefix, **({"documentation": docs_url} if docs_url else {}))
    unknown = set(only or ()) - {template.name for template in made}
    if unknown:
        names = ", ".join(template.name for template in made)
        raise typer.BadParameter(f"there is no template {', '.join(sorted(unknown))}, only {names}.")
    chosen = [template for template in made if not only or template.name in only]
    store = TemplateStore(directory)
    written = [] if check else store.write(chosen)
    faults = store.faults(chosen)
    written += store.publish(chosen) if publish and not faults else []
    for path in written:
        typer.echo(path)
    for fault in faults:
        typer.secho(fault, err=True, fg=typer.colors.RED)
    if faults:
        raise typer.Exit(_FAILED)


@app.command()
def deploy(
    file: Annotated[Path, typer.Argument(help="A BPMN file.", exists=True, dir_okay=False)],
    env_file: EnvFile = None,
) -> None:
    """Give a BPMN process to the engine, as Camunda Modeler does."""

    async def once() -> None:
        async with _gateway(env_file) as gateway:
            await gateway.deploy(file)
        typer.echo(f"{file.name} is deployed.")

    _run(once, expected=EngineError)


@app.command()
def start(
    process_id: Annotated[str, typer.Argument(help="The id of a process that is deployed.")],
    variables: Annotated[
        str | None, typer.Option(help="JSON file with the process variables, or - for standard input.")
    ] = None,
    env_file: EnvFile = None,
) -> None:
    """Start an instance of a process."""

    async def once() -> None:
        given = _read_variables(variables) if variables else {}
        async with _gateway(env_file) as gateway:
            key = await gateway.start(process_id, given)
        typer.echo(f"Instance {key} has started.")

    _run(once, expected=EngineError)


@app.command()
def sandbox(
    engine_only: Annotated[bool, typer.Option(help="No mail server.")] = False,
    port: Annotated[int | None, typer.Option(help="The gateway's port; default: a free one.")] = None,
) -> None:
    """Run Camunda's engine and a mail server in memory until interrupted."""
    from worker.sandbox import SandboxError, run_sandbox

    _run(
        lambda: run_sandbox(engine_port=port, engine_only=engine_only, announce=typer.echo),
        expected=SandboxError,
    )


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Stay up afterwards, until interrupted.")] = False,
) -> None:
    """Let a process on Camunda's engine send an email, and show what came of it."""
    from worker.demo import run_demo
    from worker.sandbox import SandboxError

    _run(lambda: run_demo(keep=keep), expected=SandboxError)


@asynccontextmanager
async def _gateway(env_file: Path | None) -> AsyncIterator[ZeebeGateway]:
    from worker.settings import Settings, read_environment
    from worker.wiring import open_gateway

    gateway = open_gateway(Settings.from_environment(read_environment(env_file)))
    try:
        yield gateway
    finally:
        await gateway.close()


def _run(
    command: Callable[[], Coroutine[Any, Any, None]],
    *,
    explain: Callable[[EmailError], None] | None = None,
    expected: type[Exception] = EmailError,
) -> None:
    try:
        _run_on_loop(command())
    except EmailError as error:
        (explain or _print_sentence)(error)
        raise typer.Exit(_FAILED) from None
    except expected as error:
        _print_sentence(error)
        raise typer.Exit(_FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(_FAILED) from None


def _run_on_loop(command: Coroutine[Any, Any, T]) -> T:
    from worker.event_loop import EventLoop

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(command)


def _print_sentence(error: Exception) -> None:
    typer.secho(str(error), err=True, fg=typer.colors.RED)


def _print_as_json(error: EmailError) -> None:
    failure = {"code": error.code, "message": error.message, "retryable": error.is_retryable}
    typer.echo(json.dumps(failure, ensure_ascii=False), err=True)


def _read_variables(source: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
        variables = json.loads(text)
        # JSON can name half of a character, which no mail can hold.
        json.dumps(variables, ensure_ascii=False).encode()
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"The variables in {source} cannot be read: {error}.", field="--variables"
        ) from error
    if not isinstance(variables, dict):
        raise InputError("The variables must be a JSON object.", field="--variables")
    return variables


def _stop_on_signal(stop: asyncio.Event) -> None:
    """The first signal asks for an orderly end, the second ends the process where it stands."""

    def stop_or_leave(number: int) -> None:
        if stop.is_set():
            _leave_now(number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_leave, number)


def _leave_now(number: int) -> NoReturn:
    os._exit(128 + number)
