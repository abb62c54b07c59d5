"""The docker command: for what testcontainers does not do (builds, networks, compose, logs to wait on)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def run(*command: str, **environment: str) -> str:
    """Run a command in the project's directory and give what it printed; a failure raises with its words."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def docker(*arguments: str, **environment: str) -> str:
    """Run a docker command; see run."""
    return run("docker", *arguments, **environment)


def compose(*arguments: str, **environment: str) -> str:
    """Run docker compose on the project's file, in the older form too (docker-compose)."""
    command = ("docker", "compose") if succeeds("docker", "compose", "version") else ("docker-compose",)
    return run(*command, *arguments, **environment)


def succeeds(*command: str) -> bool:
    """Whether a command exists and ends well."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def inspect(name: str) -> dict[str, Any]:
    """What docker knows of a container or an image."""
    (found,) = json.loads(docker("inspect", name))
    assert isinstance(found, dict)
    return found


def log_lines(container: str) -> list[str]:
    """What a container has written so far, to standard output and standard error."""
    done = subprocess.run(
        ["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    return done.stdout.splitlines()


async def logged(container: str, event: str, *, count: int = 1, within_seconds: float = 60) -> dict[str, Any]:
    """Wait until a container has logged an event `count` times since it last started; gives the last one."""
    since = inspect(container)["State"]["StartedAt"]
    process = await asyncio.create_subprocess_exec(
        *("docker", "logs", "--follow", "--since", since, container),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(within_seconds):
            async for line in process.stdout:
                lines.append(line.decode())
                fields = json.loads(line) if line.startswith(b"{") else {}
                count -= fields.get("event") == event
                if count == 0:
                    assert isinstance(fields, dict)
                    return fields
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    raise AssertionError(f"{container} did not log {event}: {''.join(lines)}")
