"""What `email-worker check` prints: the settings, the gateway, the task types, and what to mend."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker.app import EmailWorker, served_task_types
from worker.errors import EngineError, InputError
from worker.mail.tls import build_tls_context
from worker.settings import Settings, without_user_info
from worker.wiring import open_gateway


async def check_setup(env_file: Path | None) -> bool:
    """Print the report; return whether the worker would serve jobs."""
    console = Console(highlight=False)
    try:
        worker = EmailWorker.from_environment(env_file)
    except InputError as error:
        _mend(console, error.message)
        return False
    settings = worker.settings
    console.print(_settings_table(settings))
    problems = _file_problems(settings)
    version = None
    if not problems:
        version, problem = await _reach_gateway(settings)
        problems += [problem] if problem else []
    if version:
        target = escape(settings.gateway.target)
        console.print(f"[green]✓[/] gateway {target} answers, version {escape(version)}")
        console.print("[green]✓[/] would serve " + ", ".join(served_task_types(settings.worker).values()))
    for problem in problems:
        _mend(console, problem)
    return not problems


def _settings_table(settings: Settings) -> Table:
    table = Table("setting", "value", title="Effective settings")
    for group in (settings.gateway, settings.worker, settings.defaults, settings.traces):
        for name, info in type(group).model_fields.items():
            table.add_row(str(info.alias), _shown(getattr(group, name)))
    table.add_section()
    table.add_row("gateway", escape(settings.gateway.target))
    table.add_row("encrypted", "yes" if settings.gateway.is_encrypted else "no")
    table.add_row("sign-in", settings.gateway.strategy)
    return table


def _shown(value: object) -> str:
    # A SecretStr prints itself as asterisks.
    if value is None:
        return "[dim]not set[/]"
    # Brackets, as of an IPv6 address, are no mark-up.
    parts = value if isinstance(value, tuple) else (value,)
    return escape(", ".join(without_user_info(str(part)) for part in parts))


def _file_problems(settings: Settings) -> list[str]:
    problems = []
    worker = settings.worker
    if worker.secrets_dir is not None and not worker.secrets_dir.is_dir():
        problems.append(f"EMAIL_WORKER_SECRETS_DIR: {worker.secrets_dir} is not a directory.")
    try:
        build_tls_context(worker.tls_ca_file)
    except OSError as error:
        problems.append(
            f"EMAIL_WORKER_TLS_CA_FILE: {worker.tls_ca_file} holds no certificate that can be read ({error})."
        )
    return problems


async def _reach_gateway(settings: Settings) -> tuple[str | None, str | None]:
    try:
        gateway = open_gateway(settings)
    except InputError as error:
        return None, error.message
    try:
        return await gateway.version(), None
    except EngineError as error:
        return None, (
            f"The gateway {settings.gateway.target} cannot be reached or refuses the credentials ({error});"
            " check ZEEBE_ADDRESS, the TLS settings and the credentials."
        )
    finally:
        await gateway.close()


def _mend(console: Console, problem: str) -> None:
    # A sentence is one line, also where a log or a file is written to.
    console.print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
