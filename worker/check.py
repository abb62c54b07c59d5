"""What `email-worker check` prints: settings, secrets, health port, Camunda, and what needs fixing."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from worker.app import served_task_types
from worker.errors import InputError
from worker.health import check_port
from worker.job.engine_errors import EngineError
from worker.mail.tls import build_tls_context, ca_file_problem
from worker.secret_store import check_directory
from worker.settings import Settings, WorkerSettings, read_environment, without_credentials
from worker.wiring import open_gateway, open_secrets

# Not on a terminal, no line is cut: the table is as wide as its longest value.
_WIDTH_IN_A_PIPE = 10_000


async def check_setup(env_file: Path | None) -> bool:
    """Print the report; return whether the worker would serve jobs."""
    console = open_console()
    try:
        environment = read_environment(env_file)
        settings = Settings.from_environment(environment)
    except InputError as error:
        for fault in error.message.splitlines():
            print_problem(console, fault)
        return False
    worker = settings.worker
    secrets = open_secrets(settings, environment)
    console.print(_settings_table(settings))
    names = ", ".join(f"{name} ({place})" for name, place in sorted(secrets.names().items()))
    console.print(f"Secrets that the worker sees: {escape(names or 'none')}.", soft_wrap=True)
    problems = [*_file_problems(worker), *secrets.faults()]
    port_problem = await check_port(worker.health_host, worker.health_port)
    if port_problem:
        problems.append(port_problem)
    elif worker.health_port:
        print_good(console, f"The health pages can be served at port {worker.health_port}.")
    version, gateway_problem = await _reach_gateway(settings)
    if gateway_problem:
        problems.append(gateway_problem)
    if version:
        target = escape(settings.gateway.target)
        print_good(console, f"The gateway {target} answers, version {escape(version)}.")
        print_good(console, f"Serves {', '.join(served_task_types(worker).values())}.")
    for problem in problems:
        print_problem(console, problem)
    return not problems


def describe_unreachable(settings: Settings, error: EngineError) -> str:
    """Return the sentence for a gateway that does not answer or refuses the credentials."""
    return (
        f"The gateway {settings.gateway.target} cannot be reached or refuses the credentials ({error});"
        " check ZEEBE_ADDRESS, the TLS settings and the credentials."
    )


def _settings_table(settings: Settings) -> Table:
    # On a narrow terminal, names and values continue on the next line.
    value = Column("value", overflow="fold", min_width=12)
    table = Table(Column("setting", overflow="fold"), Column("", no_wrap=True), value)
    for group in (settings.gateway, settings.worker, *settings.defaults.values(), settings.traces):
        for name, info in type(group).model_fields.items():
            is_set = name in group.model_fields_set
            shown = _shown(getattr(group, name))
            table.add_row(str(info.alias), "set" if is_set else "", shown, style="bold" if is_set else "")
    table.add_section()
    table.add_row("gateway", "", escape(settings.gateway.target))
    table.add_row("encrypted", "", "yes" if settings.gateway.is_encrypted else "no")
    table.add_row("sign-in", "", settings.gateway.strategy)
    return table


def _shown(value: object) -> str:
    if value in (None, ()):
        return "[dim]not set[/]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    # A SecretStr prints itself as asterisks.
    # Brackets, as of an IPv6 address, are no mark-up.
    parts = value if isinstance(value, tuple) else (value,)
    return escape(", ".join(without_credentials(str(part)) for part in parts))


def _file_problems(worker: WorkerSettings) -> list[str]:
    problems = []
    try:
        check_directory(worker.secrets_dir)
    except InputError as error:
        problems.append(error.message)
    try:
        build_tls_context(worker.tls_ca_file)
    except OSError as error:
        problems.append(f"EMAIL_WORKER_TLS_CA_FILE: {ca_file_problem(worker.tls_ca_file, error)}.")
    return problems


async def _reach_gateway(settings: Settings) -> tuple[str | None, str | None]:
    try:
        gateway = open_gateway(settings)
    except InputError as error:
        return None, error.message
    try:
        return await gateway.version(), None
    except EngineError as error:
        return None, describe_unreachable(settings, error)
    finally:
        await gateway.close()


def open_console() -> Console:
    """Return where a report goes."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_IN_A_PIPE)


def print_good(console: Console, sentence: str) -> None:
    """Print what is as it should be; the sentence is mark-up."""
    console.print(f"[green]✓[/] {sentence}", soft_wrap=True)


def print_problem(console: Console, problem: str) -> None:
    """Print what needs fixing."""
    # A sentence is one line, also where a log or a file is written to.
    console.print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
