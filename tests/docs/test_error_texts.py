"""The error texts of docs/expressions.md are those that the worker writes."""

from __future__ import annotations

import json

import pytest
from testkit.jobs import make_job
from testkit.pages import ROOT
from testkit.processes import free_port
from testkit.workers import email_worker

from worker.errors import ConnectionFailed, InputError
from worker.job.decision import incident_text
from worker.job.headers import ConnectorHeaders

PAGE = (ROOT / "docs" / "expressions.md").read_text(encoding="utf-8")


async def test_the_text_of_a_server_that_cannot_be_reached() -> None:
    port = free_port()
    variables = {
        "authentication": {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": port, "cryptographicProtocol": "NONE"},
        "parameters": {"from": "a@example.com", "to": "b@example.com", "subject": "Hi", "body": "Ho"},
    }
    with pytest.raises(ConnectionFailed) as caught:
        async with email_worker() as worker:
            await worker.call("email.smtp.send", variables)
    text = caught.value.message.replace(f"127.0.0.1:{port}", "smtp.example.com:587")
    assert PAGE.count(json.dumps(text)) == 2


def test_the_text_of_a_misspelt_function() -> None:
    expression = '=if not(response.sent) then bpmError("not-sent") else null'
    with pytest.raises(InputError) as caught:
        ConnectorHeaders.of({"errorExpression": expression})
    text = incident_text(make_job(type="email.smtp.send"), caught.value)
    assert text in " ".join(PAGE.replace("\n> ", " ").split())
