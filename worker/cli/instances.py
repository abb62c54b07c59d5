"""Processes in Camunda: deploy, start."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.running import EnvFile, run_command
from worker.cli.variables import Settings, VariablesFile, read_variables
from worker.job.engine_errors import EngineError, GatewayUnavailable

if TYPE_CHECKING:
    from worker.instances import Cluster


def deploy(
    file: Annotated[Path, typer.Argument(help="A BPMN file.", exists=True, dir_okay=False)],
    env_file: EnvFile = None,
) -> None:
    """Deploy a BPMN process, as Camunda Modeler does."""

    async def once() -> None:
        async with _cluster(env_file) as cluster:
            await cluster.gateway.deploy(file)
        typer.echo(f"{file.name} is deployed.")

    run_command(once, expected=EngineError)


def start(
    process_id: Annotated[str, typer.Argument(help="The id of a deployed process.")],
    variables: VariablesFile = None,
    settings: Settings = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for the end; print the variables, or the incident (exit code 1)."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="With --wait: how long to wait for the end.", min=1)
    ] = 60,
    env_file: EnvFile = None,
) -> None:
    """Start a process instance."""

    async def once() -> None:
        given = read_variables(variables, settings)
        async with _cluster(env_file) as cluster:
            if not wait:
                key = await cluster.gateway.start(process_id, given)
                typer.echo(f"Instance {key} has started.")
                return
            ended_with = await cluster.run_to_end(process_id, given, within_seconds=timeout)
        typer.echo(json.dumps(ended_with, indent=2, ensure_ascii=False))

    run_command(once, expected=EngineError)


@asynccontextmanager
async def _cluster(env_file: Path | None) -> AsyncIterator[Cluster]:
    """Open the cluster; if it does not answer, the sentence is the one that `check` prints."""
    from worker.check import describe_unreachable
    from worker.instances import Cluster
    from worker.settings import Settings as AllSettings
    from worker.settings import read_environment

    settings = AllSettings.from_environment(read_environment(env_file))
    cluster = Cluster(settings)
    try:
        yield cluster
    except GatewayUnavailable as error:
        raise GatewayUnavailable(describe_unreachable(settings, error)) from error
    finally:
        await cluster.close()
