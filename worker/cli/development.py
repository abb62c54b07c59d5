"""For those who model and develop: templates, sandbox, demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.running import FAILED, print_failure, run_command

if TYPE_CHECKING:
    from worker.template.store import TemplateStore
    from worker.template.templates import Template


def _read_prefix(prefix: str) -> str:
    from worker.settings.worker import check_task_type_prefix

    try:
        return prefix and check_task_type_prefix(prefix)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error


def _read_docs_url(url: str) -> str:
    if url and not url.startswith(("https://", "http://")):
        raise typer.BadParameter(f"must begin with https:// or http://, found {url!r}.")
    return url if not url or "{page}" in url else f"{url.removesuffix('/')}/{{page}}/"


def templates(
    directory: Annotated[Path, typer.Option(metavar="DIRECTORY", help="Output directory.")] = Path(
        "element-templates"
    ),
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this template, such as smtp.send; may be repeated."),
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(
            metavar="PREFIX",
            help="Prefix of job types, ids, names and files: <prefix>.email.…",
            callback=_read_prefix,
        ),
    ] = "",
    docs_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Address of the documentation, such as https://docs.example.com/{page}/.",
            callback=_read_docs_url,
        ),
    ] = "",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file differs.")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Also store each new version in versioned/.")
    ] = False,
) -> None:
    """Write the element templates for Camunda Modeler."""
    from worker.template import TemplateStore, make_templates

    made = make_templates(prefix=prefix, **({"documentation": docs_url} if docs_url else {}))
    chosen = _choose(made, only) if only else made
    _write(TemplateStore(directory), chosen, check=check, publish=publish)


def _write(store: TemplateStore, chosen: list[Template], *, check: bool, publish: bool) -> None:
    try:
        written = [] if check else store.write(chosen)
        faults = store.faults(chosen)
        written += store.publish(chosen) if publish and not faults else []
    except OSError as error:
        print_failure(f"{error.filename} cannot be used: {error.strerror}.")
        raise typer.Exit(FAILED) from None
    for path in written:
        typer.echo(path)
    for fault in faults:
        print_failure(fault)
    if faults:
        raise typer.Exit(FAILED)


def _choose(made: list[Template], names: list[str]) -> list[Template]:
    unknown = set(names) - {template.name for template in made}
    if unknown:
        there_are = ", ".join(template.name for template in made)
        raise typer.BadParameter(f"there is no template {', '.join(sorted(unknown))}, only {there_are}.")
    return [template for template in made if template.name in names]


def sandbox(
    engine_only: Annotated[bool, typer.Option("--engine-only", help="Start no mail server.")] = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="The gateway's port (default: 26500, or a free one if it is taken).",
            min=1,
            max=65_535,
        ),
    ] = None,
) -> None:
    """Run Camunda's engine and a mail server in memory.

    Prints their addresses, and then what happens to the process instances.
    """
    from worker.job.vendor import TASK_TYPE
    from worker.operations.catalogue import BY_TASK_TYPE
    from worker.sandbox import SandboxError, run_sandbox

    known = (*BY_TASK_TYPE, TASK_TYPE)
    run_command(
        lambda: run_sandbox(engine_port=port, engine_only=engine_only, job_types=known, announce=typer.echo),
        expected=SandboxError,
    )


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep everything running until interrupted.")] = False,
) -> None:
    """Send an email from a process on Camunda's engine."""
    from worker.demo import run_demo
    from worker.sandbox import SandboxError

    run_command(lambda: run_demo(keep=keep), expected=SandboxError)
