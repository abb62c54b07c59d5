"""Memory: resident size idle, after many jobs, while large messages are read at once, and over many sends."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from bench.jobs import run, sending
from bench.scale import JobLevel, Scale
from bench.servers import mail_store, running_engine, smtp_sink
from bench.sides import LETTER, variables_for

_LIMIT_SECONDS = 600


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure all four."""
    return {
        "jobs": await _jobs(scale),
        "reading": await _reading(scale),
        "sends": await _sends(scale),
    }


async def _jobs(scale: Scale) -> dict[str, Any]:
    with smtp_sink() as port:
        noop, send = sending(port)
        async with running_engine() as engine:
            for contender in (noop, send):
                await engine.deploy(contender.name, contender.task_type)
            bare, _ = await run(engine, noop, JobLevel(64, min(100, scale.memory_jobs)))
            seen, _ = await run(engine, send, JobLevel(64, scale.memory_jobs))
    return {
        "jobs": seen["jobs"],
        "noop_idle_bytes": bare["resident_before"],
        "idle_bytes": seen["resident_before"],
        "after_bytes": seen["resident_after"],
        "idle_ratio_to_noop": seen["resident_before"] / bare["resident_before"],
        "after_ratio_to_idle": seen["resident_after"] / seen["resident_before"],
    }


async def _reading(scale: Scale) -> dict[str, Any]:
    with mail_store() as store:
        account = store.account("large", 0)
        for number in range(scale.large_messages):
            store.dovecot.deliver(account.username, _large_message(number, scale.large_message_bytes))
        variables = [
            variables_for(
                store.dovecot.imap_port, {"messageId": f"<large{number}@example.org>"}, account=account
            )
            for number in range(scale.large_messages)
        ]
        seen = await _ask_child("bench.reading_process", {"calls": variables})
    mail_bytes = scale.large_messages * scale.large_message_bytes
    return {
        "messages": scale.large_messages,
        "message_bytes": scale.large_message_bytes,
        **seen,
        "growth_ratio_to_mail": (seen["peak_bytes"] - seen["idle_bytes"]) / mail_bytes,
    }


async def _sends(scale: Scale) -> dict[str, Any]:
    with smtp_sink() as port:
        seen = await _ask_child(
            "bench.sending_process", {"variables": variables_for(port, LETTER), "sends": scale.sends}
        )
    sizes = seen["resident_bytes"]
    # The first tenth fills caches that then stay as they are.
    return {"sends": scale.sends, **seen, "growth_ratio": sizes[-1] / sizes[0]}


async def _ask_child(module: str, request: dict[str, Any]) -> dict[str, Any]:
    """Run a process of its own, so that its memory is its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            output, _ = await process.communicate(json.dumps(request).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    answer: dict[str, Any] = json.loads(output)
    return answer


def _large_message(number: int, size: int) -> bytes:
    """A message with one attachment, which is most of it."""
    head = (
        f"From: ann@example.org\r\nTo: bob@example.org\r\nSubject: Large {number}\r\n"
        f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <large{number}@example.org>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n"
        "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="large.bin"\r\n\r\n'
    ).encode()
    line = b"QUJD" * 19 + b"\r\n"
    return head + line * ((size - len(head)) // len(line)) + b"--b--\r\n"
