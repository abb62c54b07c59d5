"""`email-worker deploy` and `email-worker start`, against the real engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.bpmn import one_task_process

if TYPE_CHECKING:
    from worker.sandbox import Engine


async def email_worker(engine: Engine, *arguments: str) -> tuple[int | None, str]:
    """Run a command of the worker's command line; gives its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *arguments),
        env={**os.environ, "ZEEBE_ADDRESS": engine.address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_process_is_deployed_and_started_with_its_variables(engine: Engine, tmp_path: Path) -> None:
    bpmn = tmp_path / "from-shell.bpmn"
    bpmn.write_bytes(one_task_process("from-shell", "nobody.serves.this"))
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"subject": "Grüße"}), "utf-8")

    assert await email_worker(engine, "deploy", str(bpmn)) == (0, "from-shell.bpmn is deployed.\n")
    code, said = await email_worker(engine, "start", "from-shell", "--variables", str(variables))

    instance = re.fullmatch(r"Instance (\d+) has started\.\n", said)
    assert code == 0
    assert instance is not None
    key = int(instance[1])
    await engine.job_event(key, "CREATED")
    assert engine.variables(key) == {"subject": "Grüße"}
    await engine.cancel_instance(key)


async def test_a_process_that_is_not_deployed_is_named_in_one_sentence(engine: Engine) -> None:
    code, said = await email_worker(engine, "start", "no-such-process")
    assert code == 1
    assert "no-such-process" in said
    assert "Traceback" not in said


async def test_a_file_that_is_no_process_is_refused_with_the_engines_reason(
    engine: Engine, tmp_path: Path
) -> None:
    bpmn = tmp_path / "broken.bpmn"
    bpmn.write_text("<bpmn/>")
    code, said = await email_worker(engine, "deploy", str(bpmn))
    assert code == 1
    assert "broken.bpmn" in said
    assert "Traceback" not in said
