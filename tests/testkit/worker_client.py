"""One operation in a process of its own: `python -m testkit.worker_client TASK_TYPE SETTINGS`.

Its variables come on standard input.

Prints JSON: by how many bytes the process grew at most, the code of the error if there was one, and how many
milliseconds of processor time the process took at most before its event loop had a turn again (`busy`). That
counts other threads, which may keep the interpreter's lock, but not other processes on the machine.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from testkit.memory import peak_bytes
from worker.app import EmailWorker
from worker.errors import EmailError
from worker.secret_store import SecretStore
from worker.settings import Settings

LIMITS = {
    f"EMAIL_WORKER_{name}_TIMEOUT_SECONDS": seconds
    for name, seconds in {"GREETING": "5", "LOGIN": "5", "COMMAND": "6", "TRANSFER": "10"}.items()
}
# Well above the sum of these limits.
ENDED_SECONDS = 60


def run_apart(task_type: str, variables: dict[str, Any], **settings: str) -> dict[str, Any]:
    """Do an operation in a process of its own; blocks. Raises TimeoutExpired if it does not end."""
    done = subprocess.run(
        [sys.executable, "-m", "testkit.worker_client", task_type, json.dumps(settings)],
        input=json.dumps(variables).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=ENDED_SECONDS,
        cwd=Path(__file__).parents[1],
    )
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


class _Pulse:
    """Notes the most processor time of the whole process between two turns of the event loop."""

    longest = 0.0

    async def beat(self) -> None:
        last = time.process_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.process_time()
            self.longest, last = max(self.longest, now - last), now


async def main(task_type: str, settings: dict[str, str], variables: dict[str, Any]) -> None:
    """Do the operation while a pulse beats."""
    secrets = SecretStore({}, prefix="SECRET_", directory=None)
    async with EmailWorker(Settings.from_environment(LIMITS | settings), secrets) as worker:
        pulse, code = _Pulse(), None
        beating = asyncio.create_task(pulse.beat())
        await asyncio.sleep(0)
        before = peak_bytes()
        try:
            await worker.call(task_type, variables)
        except EmailError as error:
            code = error.code
        grown = peak_bytes() - before
        await asyncio.sleep(0.01)  # the pulse also notes what the operation has done last
        beating.cancel()
    busy = round(pulse.longest * 1000)
    print(json.dumps({"grown_bytes": grown, "code": code, "busy": busy}))  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), json.load(sys.stdin)))
