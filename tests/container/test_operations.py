"""All operations between containers, with the password as a file, as Kubernetes mounts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from testkit.bpmn import one_task_process

from worker.operations.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.docker_cluster import Cluster

PORTS = {"smtp": 1025, "imap": 1143, "pop3": 1110}
HEADERS = {"resultVariable": "mail", "retryBackoff": "PT1S"}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A directory that the worker, who is nobody on this machine, can read."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / "MAIL_PASSWORD").write_text("mail-password\n")
    return directory


@pytest.fixture
def mailboxes(cluster: Cluster, secrets: Path) -> Iterator[str]:
    with cluster.mailboxes() as host, cluster.worker(secrets=secrets):
        yield host


async def test_a_mail_is_sent_and_goes_through_every_operation(
    cluster: Cluster, mailboxes: str, tmp_path: Path
) -> None:
    done: set[str] = set()

    async def run(task_type: str, **parameters: Any) -> Any:
        protocol, _, name = task_type.removeprefix("email.").partition(".")
        process_id = f"container-{protocol}-{name}"
        bpmn = tmp_path / f"{process_id}.bpmn"
        bpmn.write_bytes(one_task_process(process_id, task_type, headers=HEADERS, retries=60))
        await cluster.deploy(bpmn)
        variables = {
            "authentication": {"username": "jane@example.com", "password": "{{secrets.MAIL_PASSWORD}}"},
            "server": {"host": mailboxes, "port": PORTS[protocol], "cryptographicProtocol": "NONE"},
            "parameters": parameters,
        }
        done.add(task_type)
        return (await cluster.run(process_id, variables))["mail"]

    async def send(subject: str) -> str:
        mail = {"from": "jane@example.com", "to": "jane@example.com", "subject": subject, "body": "Text."}
        return str((await run("email.smtp.send", **mail))["messageId"])

    first, second, third = [await send(subject) for subject in ("first", "second", "third")]

    assert {mail["messageId"] for mail in await run("email.imap.list")} == {first, second, third}
    by_subject = {"field": "subject", "value": "first"}
    for search in ("email.imap.search", "email.pop3.search"):
        assert [mail["messageId"] for mail in await run(search, criteria=by_subject)] == [first]
    await run("email.imap.flag", messageId=first, flagged=True)
    assert [mail["flagged"] for mail in await run("email.imap.search", criteria=by_subject)] == [True]
    assert (await run("email.imap.read", messageId=first))["plainTextBody"].rstrip() == "Text."
    await run("email.imap.move", messageId=first, toFolder="Done")
    assert [mail["messageId"] for mail in await run("email.imap.list", folder="Done")] == [first]
    await run("email.imap.delete", messageId=first, folder="Done")
    assert await run("email.imap.list", folder="Done") == []
    draft = {"from": "jane@example.com", "subject": "draft", "body": "Text.", "flags": ["Draft"]}
    await run("email.imap.append", folder="Drafts", **draft)
    folders = {folder["name"]: folder["messages"] for folder in await run("email.imap.folders")}
    assert folders["Drafts"] == 1

    assert (await run("email.pop3.read", messageId=second))["subject"] == "second"
    assert [mail["messageId"] for mail in await run("email.pop3.list")] == [third]
    await run("email.pop3.delete", messageId=third)
    assert await run("email.pop3.list") == []
    assert done == {operation.task_type for operation in CATALOGUE if operation.protocol in PORTS}
