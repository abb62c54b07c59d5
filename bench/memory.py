"""Memory: idle, after many jobs, while emails of a size are read, and over very many sends."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from typing import Any

from bench.operations import SIDES, send_to, variables_for
from bench.servers import dovecot, resident_bytes, running_cluster, smtp_sink

_JOBS_AT_ONCE = 16
_CHILD_SECONDS = 600


@dataclass(frozen=True)
class MemoryScale:
    """How much is done; `readings` are (emails at the same time, octets each)."""

    sides: tuple[str, ...]
    jobs: int
    readings: tuple[tuple[int, int], ...]
    sends: int


FULL = MemoryScale(SIDES, 3_000, ((1, 1_000_000), (1, 25_000_000), (10, 25_000_000)), 10_000)
QUICK = MemoryScale(("email",), 200, ((3, 25_000_000),), 2_000)


@dataclass(frozen=True)
class Memory:
    """One side's resident bytes; `reading` is how many more were needed for (emails, octets each)."""

    idle: int
    after_jobs: int
    reading: dict[tuple[int, int], int]
    first_tenth_of_sends: int
    all_sends: int


async def measure_memory(scale: MemoryScale) -> dict[str, Memory]:
    """Measure the sides one after the other."""
    found = {}
    with smtp_sink() as port:
        sending = variables_for(port, send_to(1))
        for side in scale.sides:
            idle, after_jobs = await _jobs(side, scale.jobs, sending)
            reading = {each: await _reading(side, *each) for each in scale.readings}
            sends = await _in_child(side, "smtp.send", [sending], repeat=scale.sends // 10, rounds=10)
            found[side] = Memory(idle, after_jobs, reading, sends["resident"][0], sends["resident"][-1])
    return found


async def _jobs(side: str, jobs: int, variables: Mapping[str, Any]) -> tuple[int, int]:
    """Resident bytes of a worker's process after its first job, and after all."""
    async with running_cluster(side) as cluster:
        pid = cluster.worker_pids[side]
        await cluster.run(f"{side}.smtp.send", variables)
        idle = resident_bytes(pid)
        left = iter(range(jobs))

        async def run_next() -> None:
            for _ in left:
                await cluster.run(f"{side}.smtp.send", variables)

        await asyncio.gather(*(run_next() for _ in range(_JOBS_AT_ONCE)))
        return idle, resident_bytes(pid)


async def _reading(side: str, emails: int, octets: int) -> int:
    with dovecot() as server:
        account = server.add_user("large", "s3cret")
        for number in range(emails):
            server.deliver(account.username, _large_email(number, octets))
        calls = [
            variables_for(server.imap_port, {"messageId": f"<large{number}@example.org>"}, account)
            for number in range(emails)
        ]
        seen = await _in_child(side, "imap.read", calls)
    growth: int = seen["peak"] - seen["before"]
    return growth


async def _in_child(
    side: str, task: str, calls: list[Mapping[str, Any]], *, repeat: int = 1, rounds: int = 1
) -> dict[str, Any]:
    """Call operations without an engine in a separate process, to measure its memory."""
    request = {"side": side, "task": task, "calls": calls, "repeat": repeat, "rounds": rounds}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.memory_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_CHILD_SECONDS):
            output, _ = await process.communicate(json.dumps(request).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    seen: dict[str, Any] = json.loads(output)
    return seen


def _large_email(number: int, octets: int) -> bytes:
    """An email with one attachment, which is most of it."""
    email = EmailMessage(policy=policy.SMTP)
    email["From"], email["To"], email["Subject"] = "ann@example.org", "bob@example.org", "Large"
    email["Date"], email["Message-ID"] = "Sun, 22 Nov 2026 10:00:00 +0000", f"<large{number}@example.org>"
    email.set_content("See the attachment.")
    # Base64 makes four octets of three, and a line end after 76.
    content = bytes(octets * 3 * 76 // (4 * 78))
    email.add_attachment(content, maintype="application", subtype="octet-stream", filename="large.bin")
    return bytes(email)
