"""The machine itself is in trouble: its clock jumps, its disk is full, nothing may be written."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from testkit.bpmn import one_task_process
from testkit.storm import SmtpSink, StormWorker, email, workers

from worker.sandbox import Engine

EMAILS = 50
RUN = [sys.executable, "-m", "worker", "run"]
# The wall clock goes a day ahead and a day back, again and again.
JUMPING_CLOCK = """
import itertools, sys, time
known, days = time.time, itertools.cycle([0, 86_400, -86_400])
time.time = lambda: known() + next(days)
sys.argv = ["email-worker", "run"]
from worker.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param([sys.executable, "-c", JUMPING_CLOCK], id="a clock that jumps by a day"),
        pytest.param(["sh", "-c", 'exec "$@" 2>/dev/full', "sh", *RUN], id="a full disk under the log"),
        pytest.param(["sh", "-c", 'exec "$@" 2>&-', "sh", *RUN], id="standard error is closed"),
        pytest.param(
            ["unshare", "--mount", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh", *RUN],
            id="a file system that is read-only",
        ),
        pytest.param(["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *RUN], id="no file may grow"),
    ],
)
async def test_a_worker_sends_each_email_once_and_ends_well_with(
    engine: Engine, tmp_path: Path, program: Sequence[str]
) -> None:
    process = one_task_process("send", "email.smtp.send", headers={"resultVariable": "sent"})
    await engine.deploy(process, "send.bpmn")
    async with SmtpSink().serving() as sink:
        worker = StormWorker(engine.address, tmp_path / "log", program=program)
        async with workers(worker):
            instances = [
                await engine.create_instance("send", email(sink.port, f"email {number}"))
                for number in range(EMAILS)
            ]
            for instance in instances:
                await engine.completed(instance, within_seconds=300)
            worker.signal(signal.SIGTERM)
            assert await worker.ended() == 0
    assert [len(times) for times in sink.stored.values()] == [1] * EMAILS
