"""The command line; `email-worker --help` lists the commands."""

from __future__ import annotations

from typing import Annotated

import typer

from worker import __version__
from worker.cli import development, instances, operations

app = typer.Typer(
    name="email-worker",
    help="Sends and handles email for Camunda 8 processes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, in which only options with a value show one
    context_settings={"max_content_width": 100},
)
for command in (
    operations.run,
    operations.call,
    operations.check,
    instances.deploy,
    instances.start,
    development.templates,
    development.sandbox,
    development.demo,
):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()


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
