"""A worker of a team's own: its task types have the team's prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.bpmn import one_task_process
from testkit.scripted_smtp import ScriptedSmtp
from testkit.workers import serving

if TYPE_CHECKING:
    from worker.sandbox import Engine


async def test_a_worker_with_a_prefix_serves_only_its_job_types(engine: Engine) -> None:
    for process_id, task_type in (("ours", "team-a.email.smtp.send"), ("others", "email.smtp.send")):
        process = one_task_process(process_id, task_type, headers={"resultVariable": "mail"})
        await engine.deploy(process, f"{process_id}.bpmn")
    async with ScriptedSmtp() as server, serving(engine.address, EMAIL_WORKER_TASK_TYPE_PREFIX="team-a"):
        variables = {
            "authentication": {"type": "noAuth"},
            "server": {"host": server.host, "port": server.port, "cryptographicProtocol": "NONE"},
            "parameters": {"from": "a@example.com", "to": "b@example.com", "subject": "Hi", "body": "Ho"},
        }
        others = await engine.create_instance("others", variables)
        ours = await engine.create_instance("ours", variables)
        assert (await engine.completed(ours))["mail"]["sent"] is True
        assert [event.intent for event in engine.job_events(others)] == ["CREATED"]
        await engine.cancel_instance(others)
