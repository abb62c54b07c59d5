"""The main job, shown: a BPMN process on Camunda's engine sends an email through this worker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from worker.app import EmailWorker
from worker.logs import configure_logs
from worker.sandbox import Engine, MailServer
from worker.sandbox.run import stop_signal
from worker.secret_store import SecretStore
from worker.settings import Settings

PROCESS_ID = "send-email"
_SENDER, _PASSWORD = "orders@example.com", "demo-password"
_RECIPIENT = "jane@example.com"
_PLACES = (Path(__file__).parent / "examples", Path(__file__).parent.parent / "examples")


class _Narrator:
    """Says what happens, each line with the seconds since the last one."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._last = time.monotonic()

    def tell(self, line: str) -> None:
        now = time.monotonic()
        self.console.print(f"[green]✓[/] [dim]{now - self._last:5.2f} s[/]  {line}")
        self._last = now


async def run_demo(*, keep: bool) -> None:
    """Start engine, mail server and worker, run one instance, show the email and the variables."""
    narrator = _Narrator()
    users = [(_SENDER, _PASSWORD), (_RECIPIENT, _PASSWORD)]
    narrator.console.print("Starting Camunda's engine and a mail server …")
    async with Engine.start() as engine, MailServer.start(users) as mail_server:
        narrator.tell(f"Camunda's engine runs at {engine.address}, a mail server at {mail_server.host}")
        await engine.deploy(example("send-email.bpmn"))
        narrator.tell("examples/send-email.bpmn is deployed")
        async with _serving(engine.address, mail_server.host):
            narrator.tell("the worker serves jobs of type email.smtp.send")
            await _send_one(engine, mail_server, narrator)
            if keep:
                await _stay_up(engine, mail_server, narrator.console)
    narrator.console.print("Everything has stopped.")


def example(name: str) -> Path:
    """Return the path of an example process, next to the package or in it."""
    return next(place / name for place in _PLACES if (place / name).is_file())


async def _send_one(engine: Engine, mail_server: MailServer, narrator: _Narrator) -> None:
    variables = {
        "mailHost": mail_server.host,
        "mailPort": mail_server.smtp_port,
        "cryptographicProtocol": "NONE",
        "username": _SENDER,
        "sender": f"The demo <{_SENDER}>",
        "recipient": _RECIPIENT,
        "subject": "Grüße from a BPMN process ✉",
        "body": "A service task has sent this.\n",
    }
    instance = await engine.create_instance(PROCESS_ID, variables)
    narrator.tell(f"process instance {instance} has started")
    (message,) = await mail_server.wait_for(_RECIPIENT)
    narrator.tell("the mail server has received the email")
    ended = await engine.completed(instance)
    narrator.tell("the process has ended")
    show = narrator.console.print
    text = Text(message.decode().replace("\r\n", "\n"))
    show(Panel(text, title=f"The email, as {_RECIPIENT} received it"))
    shown = json.dumps(ended, indent=2, ensure_ascii=False)
    show(Panel(Syntax(shown, "json", background_color="default"), title="The process variables at the end"))


@asynccontextmanager
async def _serving(gateway: str, mail_host: str) -> AsyncIterator[None]:
    environment = {
        "ZEEBE_ADDRESS": gateway,
        "SECRET_SMTP_PASSWORD": _PASSWORD,
        "EMAIL_WORKER_ALLOWED_SERVERS": mail_host,
        "EMAIL_WORKER_CLUSTER_NAME": "demo",
        "EMAIL_WORKER_HEALTH_PORT": "0",
        "EMAIL_WORKER_LOG_LEVEL": "warning",
    }
    settings = Settings.from_environment(environment)
    secrets = SecretStore(environment, prefix=settings.worker.secret_prefix, directory=None)
    configure_logs(settings.worker, secrets.mask)
    stop = asyncio.Event()
    async with EmailWorker(settings, secrets) as worker:
        served = asyncio.create_task(worker.serve(stop))
        try:
            yield
        finally:
            stop.set()
            await served


async def _stay_up(engine: Engine, mail_server: MailServer, console: Console) -> None:
    console.print(
        f"\nStill running: Camunda's engine at {engine.address} (gRPC, no TLS), SMTP at {mail_server.host}:"
        f"{mail_server.smtp_port}, IMAP at port {mail_server.imap_port}. Ctrl-C ends it."
    )
    await stop_signal().wait()
