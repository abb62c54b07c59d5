"""What the templates bind, held against the models; and that the committed files are what is generated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from worker.errors import EmailError
from worker.mail.account import account_of
from worker.models.base import Authentication, Server
from worker.operations.catalogue import CATALOGUE, Operation
from worker.template import TemplateStore, make_templates
from worker.template.inputs import request_fields
from worker.template.panel import GROUPS, UNSET, look_of
from worker.template.wording import WORDINGS

COMMITTED = Path(__file__).parent.parent.parent.parent / "element-templates"
TEMPLATES = {template.name: template for template in make_templates()}
HEADERS = {"resultVariable", "resultExpression", "errorExpression", "retryBackoff", "jobTimeout"}


def properties(operation: Operation) -> list[dict[str, Any]]:
    content = TEMPLATES[operation.task_type.removeprefix("email.")].content
    found: list[dict[str, Any]] = content["properties"]
    return found


def inputs(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    bound: dict[str, list[dict[str, Any]]] = {}
    for made in found:
        if made["binding"]["type"] == "zeebe:input":
            bound.setdefault(made["binding"]["name"], []).append(made)
    return bound


def operations(check: Any) -> Any:
    return pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.task_type)(check)


@operations
def test_a_template_binds_every_field_of_the_model_and_nothing_else(operation: Operation) -> None:
    assert set(inputs(properties(operation))) == set(dict(request_fields(operation)))


@operations
def test_a_template_has_the_defaults_of_the_model(operation: Operation) -> None:
    bound = inputs(properties(operation))
    for path, field in request_fields(operation):
        if path == "server.port":
            continue
        default = field.get_default(call_default_factory=True)
        look = look_of(operation.task_type, path)
        if look.choices or look.offered or look.is_left_to_worker:
            offered = look.offered or UNSET
            assert [made["value"] for made in bound[path]] == [offered] * len(bound[path]), path
            continue
        if field.default is None and bound[path][0]["type"] == "Dropdown":
            assert [made["value"] for made in bound[path]] == [bound[path][0]["choices"][0]["value"]], path
            continue
        shown = [None if made.get("value") is None else str(made["value"]) for made in bound[path]]
        assert shown == [str(default) if isinstance(default, str | int) else None], path


@operations
def test_only_the_required_fields_of_the_model_may_not_be_empty(operation: Operation) -> None:
    bound = inputs(properties(operation))
    for path, field in request_fields(operation):
        for made in bound[path]:
            is_needed = made.get("constraints", {}).get("notEmpty", False)
            assert is_needed == (field.is_required() or look_of(operation.task_type, path).is_needed), path


@operations
def test_a_dropdown_offers_the_choices_of_the_model(operation: Operation) -> None:
    schema = operation.request.model_json_schema()
    for path, (made, *_) in inputs(properties(operation)).items():
        look = look_of(operation.task_type, path)
        if made["type"] != "Dropdown" or look.choices:
            continue
        group, name = path.split(".")
        model = schema["$defs"][schema["properties"][group]["$ref"].rsplit("/", 1)[1]]
        wanted = model["properties"][name]
        wanted = wanted["anyOf"][0] if "anyOf" in wanted else wanted
        wanted = schema["$defs"][wanted["$ref"].rsplit("/", 1)[1]] if "$ref" in wanted else wanted
        expected = [UNSET] * look.is_left_to_worker + (wanted.get("enum") or [wanted["const"]])
        # The order is that of a person, not of the model.
        assert sorted(choice["value"] for choice in made["choices"]) == sorted(expected), path


@operations
def test_each_encryption_offers_the_port_that_the_worker_would_choose(operation: Operation) -> None:
    sign_in = Authentication.model_validate({"username": "jane", "password": "secret"})
    ports = inputs(properties(operation))["server.port"]
    assert len(ports) == 3
    for made in ports:
        server = Server.model_validate(
            {"host": "mail.example.com", "cryptographicProtocol": made["condition"]["equals"]}
        )
        assert made["value"] == str(account_of(operation.protocol, server, sign_in).port)


@operations
def test_a_template_steers_the_job_by_every_header(operation: Operation) -> None:
    bound = [made["binding"] for made in properties(operation)]
    keys = {binding["key"] for binding in bound if binding["type"] == "zeebe:taskHeader"}
    assert keys == HEADERS | {"elementTemplateId", "elementTemplateVersion"}
    assert {"type": "zeebe:taskDefinition", "property": "retries"} in bound


def test_the_one_template_for_all_binds_what_the_ten_do() -> None:
    everything = {path for operation in CATALOGUE for path, _ in request_fields(operation)}
    assert set(inputs(TEMPLATES["email"].content["properties"])) == everything
    task_types = {
        choice["value"]
        for made in TEMPLATES["email"].content["properties"]
        if made["binding"] == {"type": "zeebe:taskDefinition", "property": "type"}
        for choice in made["choices"]
    }
    assert task_types == {operation.task_type for operation in CATALOGUE}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_field_that_is_seen_is_explained(name: str) -> None:
    content = TEMPLATES[name].content
    seen = [made for made in content["properties"] if made["type"] != "Hidden"]
    for made in seen:
        assert made["label"], made["id"]
        assert made["description"].endswith((".", "</code>")), made["id"]
        assert made["type"] in {"Boolean", "Dropdown"} or made.get("placeholder") or made.get("value"), made[
            "id"
        ]
    ids = [made["id"] for made in content["properties"]]
    assert len(ids) == len(set(ids))
    labels = dict(GROUPS)
    assert [group["label"] for group in content["groups"]] == [
        label for group, label in labels.items() if group in {made["group"] for made in seen}
    ]


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_example_fits_the_constraint_of_its_field(name: str) -> None:
    for made in TEMPLATES[name].content["properties"]:
        pattern = made.get("constraints", {}).get("pattern")
        for text in (made.get("placeholder"), made.get("value")):
            if pattern and text:
                assert re.fullmatch(pattern["value"], text), made["id"]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "server.host",
            ["localhost", "10.0.0.1", "::1", "[2001:db8::25]", "fe80::1%eth0", "{{ secrets.HOST }}"],
            ["https://mail.example.com", "mail.example.com:587", "jane@example.com", "mail example"],
        ),
        ("server.port", ["1", "465", "9999", "65535", "{{secrets.PORT}}"], ["0", "65536", "99999", "smtp"]),
        ("parameters.maxToBeRead", ["1", "999", "10000"], ["0", "10001", "ten"]),
        ("retries", ["1", "3", "10"], ["0", "-1", "often"]),
        ("jobTimeout", ["PT30S", "P1DT2H", "P1W", "PT0.5S"], ["P", "PT", "P1DT", "30 s", "P1M"]),
    ],
)
def test_a_constraint_takes_what_the_worker_takes(field: str, good: list[str], bad: list[str]) -> None:
    content = TEMPLATES["imap.list"].content
    made = next(made for made in content["properties"] if field in {made["id"], made["binding"].get("name")})
    pattern = made["constraints"]["pattern"]["value"]
    assert [text for text in [*good, *bad] if re.fullmatch(pattern, text)] == good


def test_the_error_codes_of_the_examples_exist() -> None:
    def codes(base: type[EmailError]) -> set[str]:
        return {base.__dict__.get("code", "")}.union(*map(codes, base.__subclasses__()))

    for wording in WORDINGS.values():
        for code in re.findall(r'error\.code = "(\w+)"', wording.error_expression):
            assert code in codes(EmailError)


def test_reading_over_pop3_warns_that_it_deletes() -> None:
    (message_id,) = inputs(TEMPLATES["pop3.read"].content["properties"])["parameters.messageId"]
    assert message_id["description"].startswith("⚠ Reading over POP3 deletes the email on the server")
    (elsewhere,) = inputs(TEMPLATES["imap.read"].content["properties"])["parameters.messageId"]
    assert "⚠" not in elsewhere["description"]


def test_job_types_ids_and_names_get_the_prefix() -> None:
    (send,) = [template for template in make_templates(prefix="sales") if template.name == "smtp.send"]
    assert send.content["id"] == "sales.camunda-email-worker.smtp.send"
    assert send.content["name"] == "Send email (sales)"
    assert send.content["properties"][0]["value"] == "sales.email.smtp.send"


def test_the_committed_templates_are_current_and_no_published_one_has_changed() -> None:
    assert TemplateStore(COMMITTED).faults(list(TEMPLATES.values())) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_version_is_kept_the_newest_too(name: str) -> None:
    template = TEMPLATES[name]
    kept = [
        COMMITTED / "versioned" / f"{template.file_name}-{n}.json" for n in range(1, template.version + 1)
    ]
    missing = [path.name for path in kept if not path.exists()]
    assert missing == [], "keep it with `email-worker templates --publish`"
