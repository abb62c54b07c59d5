"""What a person sees in Modeler: each template opened in the real panel, and what its choices change."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from testkit.modeler import HOME, Modeler, install_packages

from worker.operations.catalogue import CATALOGUE, Operation
from worker.template.wording import WORDINGS

TEMPLATES = sorted((HOME.parent.parent / "element-templates").glob("*.json"))
PREFIX = "camunda-email-worker"
IMAP = "IMAP: work with the folders of a mailbox"
POP3 = "POP3: collect email from a mailbox"
TLS = "TLS with STARTTLS (port 587)"
WITH_PASSWORD = "User name and password"  # a choice


def read(path: Path) -> dict[str, Any]:
    template: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return template


async def labels(modeler: Modeler) -> list[str]:
    return [field["label"] for field in await modeler.fields()]


def test_the_schema_validator_finds_neither_errors_nor_warnings() -> None:
    node = install_packages()
    answer = subprocess.run(
        [node, HOME / "validate.mjs", *TEMPLATES], capture_output=True, check=True, timeout=60
    )
    assert json.loads(answer.stdout) == {str(path): [] for path in TEMPLATES}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_the_command_line_of_the_template_engine_applies_it(path: Path, tmp_path: Path) -> None:
    node = install_packages()
    cli = HOME / "node_modules" / "element-templates-cli" / "bin" / "cli.js"
    applied = tmp_path / "applied.bpmn"
    arguments: list[str | Path] = [
        "--diagram",
        HOME / "one_task.bpmn",
        "--element",
        "task",
        "--template",
        path,
    ]
    subprocess.run([node, cli, *arguments, "--output", applied], check=True, timeout=60)
    assert f'zeebe:modelerTemplate="{read(path)["id"]}"' in applied.read_text("utf-8")


async def test_the_menus_offer_all_templates_for_a_task(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]]
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.email")
    assert sorted(await modeler.offered("task")) == sorted(template["name"] for template in templates)


@pytest.mark.parametrize("name", [path.stem for path in TEMPLATES])
async def test_an_empty_panel_complains_of_what_is_needed_alone(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]], name: str
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.{name.replace('-', '.')}")
    own = {"Connection": (await modeler.field("Connection"))["choices"][1], "Authentication": WITH_PASSWORD}
    await modeler.fill(own)
    fields = await modeler.fields()
    assert [field["error"] for field in fields if field["error"]] == [
        f"{field['label']} must not be empty." for field in fields if field["error"]
    ]
    assert {field["label"] for field in fields if field["error"]} >= {"Host", "User name", "Password"}
    is_needed = name == "imap-append"
    assert ("Folder" in {field["label"] for field in fields if field["error"]}) is is_needed


@pytest.mark.parametrize(
    ("template", "ports"),
    [
        ("smtp.send", ["587", "465", "25"]),
        ("imap.list", ["993", "993", "143"]),
        ("pop3.list", ["995", "995", "110"]),
    ],
)
async def test_choosing_an_encryption_offers_its_port(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]], template: str, ports: list[str]
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.{template}")
    configured, *choices = (await modeler.field("Connection"))["choices"]
    assert configured == "As the worker is configured"
    assert not {"Host", "Port", "User name", "Password"} & set(await labels(modeler))
    offered = []
    for choice in choices:
        await modeler.fill({"Connection": choice})
        offered.append((await modeler.field("Port"))["value"])
    assert offered == ports


async def test_a_typed_port_stays_with_any_encryption(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]]
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.smtp.send")
    await modeler.fill({"Connection": TLS, "Port": "2525"})
    await modeler.fill({"Connection": "None: not encrypted (port 25)"})
    assert (await modeler.field("Port"))["value"] == "2525"


async def test_the_format_of_an_email_decides_which_texts_are_asked_for(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]]
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.smtp.send")
    seen = {}
    for choice in (await modeler.field("Format"))["choices"]:
        await modeler.fill({"Format": choice})
        seen[choice] = [label for label in await labels(modeler) if label in {"Text", "HTML"}]
    assert seen == {"Plain text": ["Text"], "HTML": ["HTML"], "Both plain text and HTML": ["Text", "HTML"]}


async def test_protocol_and_operation_change_the_fields_and_the_job_type(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]]
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.email")
    assert "Subject" in await labels(modeler)
    await modeler.fill(
        {"Protocol": IMAP, "Operation": "Move an email to another folder", "To folder": "Done"}
    )
    assert "Subject" not in await labels(modeler)
    assert 'type="email.imap.move"' in await modeler.xml()
    await modeler.fill({"Protocol": POP3})
    assert "To folder" not in await labels(modeler)
    assert 'type="email.pop3.list"' in await modeler.xml()
    assert "parameters.toFolder" not in await modeler.xml()
    await modeler.fill({"Operation": "Read an email and delete it on the server"})
    assert (await modeler.field("Message id"))["description"].startswith("⚠")


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.task_type)
async def test_the_one_template_for_all_asks_what_the_operations_own_asks(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]], operation: Operation
) -> None:
    name = operation.task_type.removeprefix("email.")
    await modeler.open(diagram, templates, "task", f"{PREFIX}.{name}")
    own = await modeler.fields()
    await modeler.open(diagram, templates, "task", f"{PREFIX}.email")
    protocol = operation.protocol.value.upper()
    protocols = (await modeler.field("Protocol"))["choices"]
    await modeler.fill({"Protocol": next(choice for choice in protocols if choice.startswith(protocol))})
    await modeler.fill({"Operation": WORDINGS[operation.task_type].choice})
    assert [field for field in await modeler.fields() if field["group"] != "Operation"] == own
    assert f'type="{operation.task_type}"' in await modeler.xml()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
async def test_a_task_of_the_first_version_is_upgraded_with_what_was_typed(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]], path: Path
) -> None:
    first = read(path.parent / "versioned" / f"{path.stem}-1.json")
    await modeler.open(diagram, [first], "task", first["id"])
    typed = {"Host": "mail.example.com", "Port": "2525", "User name": "=user", "Attempts": "5"}
    if "Attempts" not in await labels(modeler):
        await modeler.fill({"Connection": (await modeler.field("Connection"))["choices"][1]})
        await modeler.fill({"Authentication": WITH_PASSWORD})
        typed["Retries"] = typed.pop("Attempts")
    await modeler.fill(typed)
    await modeler.open(await modeler.xml(), [first, *templates], "task", first["id"])
    shown = {field["label"]: field["value"] for field in await modeler.fields()}
    typed["Retries"] = typed.pop("Attempts", "5")
    assert {label: shown[label] for label in typed} == {**typed, "User name": "user"}
    assert f'modelerTemplateVersion="{read(path)["version"]}"' in await modeler.xml()


# A field that has become a FEEL editor takes the focus once it is drawn, from whatever has it by then.
async def test_formulas_typed_on_a_busy_machine_stand_each_in_its_field(
    modeler: Modeler, diagram: str, templates: list[dict[str, Any]]
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.smtp.send")
    formulas = {
        "From": "=sender",
        "To": "=recipient",
        "Cc": "=watcher",
        "Bcc": "=archive",
        "Subject": '="Order " + string(number)',
        "Text": '="It is on its way."',
    }
    async with modeler.delayed(0.1):
        await modeler.fill(formulas)
    shown = {field["label"]: field["value"] for field in await modeler.fields()}
    assert {label: f"={shown[label]}" for label in formulas} == formulas


@pytest.mark.parametrize(
    ("label", "bad", "complaint"),
    [
        ("Host", "https://mail.example.com", "must be a name such as mail.example.com, without https://"),
        (
            "Host",
            "mail.example.com:587",
            "must be a name such as mail.example.com, without https:// or a port",
        ),
        ("Port", "smtp", "must be a number from 1 to 65535"),
        ("Port", "65536", "must be a number from 1 to 65535"),
        ("Retries", "0", "must be a whole number, 1 or more"),
        ("Password", "hunter2", "must name a secret, such as {{secrets.MAIL_PASSWORD}}"),
        ("Result variable", "the mail", "must be letters, digits and _ only"),
        ("Retry backoff", "30 s", "must be a duration such as PT30S"),
    ],
)
async def test_a_bad_value_is_explained_where_it_stands(
    modeler: Modeler,
    diagram: str,
    templates: list[dict[str, Any]],
    label: str,
    bad: str,
    complaint: str,
) -> None:
    await modeler.open(diagram, templates, "task", f"{PREFIX}.smtp.send")
    await modeler.fill({"Connection": TLS, "Authentication": WITH_PASSWORD, label: bad})
    assert (await modeler.field(label))["error"].startswith(f"{label} {complaint}")
