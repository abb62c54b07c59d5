"""The table of bounds in docs/security.md is what the worker keeps to, before it does anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.errors import InputError
from worker.job.binding import bind
from worker.job.headers import ConnectorHeaders
from worker.masking import Mask
from worker.models.imap import FlagRequest, ListRequest, ReadRequest, SearchRequest
from worker.models.imap_append import AppendRequest
from worker.models.smtp import SendRequest
from worker.secret_store import SecretStore

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
LETTER = {"from": "a@example.org", "to": "b@example.org", "subject": "s", "body": "b"}
HALF = "a\ud800b"


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading of the page."""
    section = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def send(**parameters: Any) -> None:
    bind_to(SendRequest, parameters=LETTER | parameters)


def bind_to(model: Any, **groups: dict[str, Any]) -> None:
    usual = {
        "authentication": {"username": "u", "password": "p"},
        "server": {"host": "mail.example.com"},
        "parameters": {},
    }
    given = {name: value | groups.get(name, {}) for name, value in usual.items()}
    secrets = SecretStore({"SECRET_A": "x"}, prefix="SECRET_", directory=None)
    bind(model, given, secrets=secrets, mask=Mask(), secret_fields=("authentication.*", "server.*"))


def nested(levels: int) -> Any:
    criterion: Any = {"field": "SUBJECT", "value": "s"}
    for _ in range(levels - 1):
        criterion = {"operator": "OR", "criteria": [criterion]}
    return criterion


def listed(levels: int) -> Any:
    value: Any = "b@example.org"
    for _ in range(levels):
        value = [value]
    return value


def address(characters: int) -> str:
    return "n" * (characters - len(" <a@b.example>")) + " <a@b.example>"


def document(**texts: str) -> dict[str, str]:
    return {"camunda.document.type": "inline", "content": "x", **texts}


def any_of(count: int) -> Any:
    return {"operator": "OR", "criteria": [{"field": "BODY", "value": "s"}] * count}


def at_most(count: int) -> dict[str, str]:
    """Return a variable of so many fields; what they are called is checked afterwards."""
    return {f"unknown{number}": "x" for number in range(count - len(LETTER))}


# How to reach each bound, by the first cell of its row.
REACH: dict[str, Callable[[int], None]] = {
    "`server.host`": lambda n: bind_to(ListRequest, server={"host": ("a" * 60 + ".") * 4 + "a" * (n - 244)}),
    "`authentication.username`": lambda n: bind_to(ListRequest, authentication={"username": "u" * n}),
    "`authentication.password`": lambda n: bind_to(ListRequest, authentication={"password": "p" * n}),
    "`parameters.from`, `to`, `cc`, `bcc`": lambda n: send(to=["b@example.org"] * n),
    "a list of addresses in one text": lambda n: send(to="b@example.org" + "," * (n - 13)),
    "one address with its name": lambda n: send(to=address(n)),
    "`parameters.subject`": lambda n: send(subject="s" * n),
    "`parameters.body`, `htmlBody`": lambda n: send(body="b" * n),
    "`parameters.headers`": lambda n: send(headers={f"X-{number}": "x" for number in range(n)}),
    "the value of one header": lambda n: send(headers={"X-Long": "x" * n}),
    "`parameters.attachments`": lambda n: send(attachments=[document()] * n),
    "a name, id or URL of a document": lambda n: send(attachments=[document(name="n" * n)]),
    "`parameters.keywords.add`, `remove`, `flags`, `notify`": lambda n: bind_to(
        FlagRequest, parameters={"messageId": "m@example.org", "keywords": {"add": ["k"] * n}}
    ),
    "`parameters.messageId`": lambda n: bind_to(ReadRequest, parameters={"messageId": "m" * n}),
    "a folder": lambda n: bind_to(ListRequest, parameters={"folder": "f" * n}),
    "`parameters.criteria`": lambda n: bind_to(SearchRequest, parameters={"criteria": any_of(n)}),
    "`parameters.criteria` as JSON text": lambda n: bind_to(
        SearchRequest, parameters={"criteria": json.dumps(any_of(1)).ljust(n)}
    ),
    "nested `criteria`": lambda n: bind_to(SearchRequest, parameters={"criteria": nested(n)}),
    "`value` of a condition": lambda n: bind_to(
        SearchRequest, parameters={"criteria": {"field": "BODY", "value": "v" * n}}
    ),
    "each of the three variables": lambda n: send(**at_most(n)),
    "the name of a field": lambda n: send(**{"n" * n: "x"}),
    "nested lists and contexts": lambda n: send(to=listed(n - 1)),
    # The other fields and the three variables themselves are ten entries.
    "entries of all lists and contexts in the three variables": lambda n: send(
        to=["b@example.org", *([""] * (n - 11))]
    ),
    "secrets in the three variables": lambda n: bind_to(
        ListRequest, authentication={"password": "{{secrets.A}}" * n}
    ),
    "the result or error expression": lambda n: expression("1" + " " * (n - 2) + "1"[: n - 1]),
}


def expression(text: str) -> None:
    ConnectorHeaders.of({"resultExpression": "={}" + "/" * 2 + text[5:]})


@pytest.mark.parametrize(("field", "bound"), table("Limits of a job's variables"))
def test_a_bound_of_the_table_is_taken_and_one_more_is_refused(field: str, bound: str) -> None:
    most = int(re.sub(r"\D", "", bound))
    if field in {"each of the three variables", "the name of a field"}:
        with pytest.raises(InputError, match="is not a field of this operation"):
            REACH[field](most)
    else:
        REACH[field](most)
    with pytest.raises(InputError, match=rf"{most:,}|{most}") as caught:
        REACH[field](most + 1)
    assert caught.value.details["field"]


@pytest.mark.parametrize(
    ("field", "model", "groups"),
    [
        ("server.host", ListRequest, {"server": {"host": HALF}}),
        ("authentication.username", ListRequest, {"authentication": {"username": HALF}}),
        ("authentication.password", ListRequest, {"authentication": {"password": HALF}}),
        ("parameters.folder", ListRequest, {"parameters": {"folder": HALF}}),
        ("parameters.messageId", ReadRequest, {"parameters": {"messageId": HALF}}),
        (
            "parameters.criteria",
            SearchRequest,
            {"parameters": {"criteria": {"field": "BODY", "value": HALF}}},
        ),
        *(
            (f"parameters.{name}", SendRequest, {"parameters": LETTER | {name: value}})
            for name, value in {
                "subject": HALF,
                "body": HALF,
                "to": f"{HALF} <b@example.org>",
                "from": f"{HALF}@example.org",
                "cc": [f"b@{HALF}.example"],
                "headers": {"X-Note": HALF},
                "attachments": [document(name=HALF)],
            }.items()
        ),
        ("parameters.headers", SendRequest, {"parameters": LETTER | {"headers": {"Reply-To": f"{HALF}@x"}}}),
        ("parameters.headers", SendRequest, {"parameters": LETTER | {"headers": {HALF: "x"}}}),
    ],
)
def test_half_a_character_is_refused_by_the_name_of_its_field(
    field: str, model: Any, groups: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as caught:
        bind_to(model, **groups)
    assert field in caught.value.message
    caught.value.message.encode()


@pytest.mark.parametrize(
    ("model", "field"),
    [(SendRequest, "notify"), (AppendRequest, "flags"), (FlagRequest, "keywords.add")],
)
@pytest.mark.parametrize("words", ["é," * 51, ["é"] * 51])
def test_too_many_words_are_one_fault(model: Any, field: str, words: Any) -> None:
    name, _, entry = field.partition(".")
    with pytest.raises(InputError) as caught:
        bind_to(model, parameters=LETTER | {name: {entry: words} if entry else words})
    assert f"parameters.{field} must have at most 50 entries" in caught.value.message
    assert f"parameters.{field}[" not in caught.value.message


@pytest.mark.parametrize("given", ["{{secrets.NONE}}" * 201, ["{{secrets.A}}"] * 201])
@pytest.mark.parametrize("name", ["password", "unknown"])
def test_more_secrets_than_the_limit_are_refused_before_they_are_looked_up(name: str, given: Any) -> None:
    with pytest.raises(InputError, match="all fields together must have at most 200 secrets") as caught:
        bind_to(ListRequest, authentication={name: given})
    assert caught.value.details["field"] == f"authentication.{name}"


def test_a_secret_that_is_too_long_is_counted_in_characters() -> None:
    with pytest.raises(InputError, match=r"password must have at most 16,384 characters\."):
        bind_to(ListRequest, authentication={"password": "p" * 16_385})


def test_a_value_nested_too_deeply_to_be_walked_is_refused() -> None:
    with pytest.raises(InputError, match=r"parameters\.to is nested more than 200 levels deep"):
        send(to=listed(5_000))


@pytest.mark.parametrize("cells", table("What was attacked"), ids=lambda cells: cells[0])
def test_every_attack_of_the_table_has_its_test(cells: list[str]) -> None:
    attack, bound, test = cells
    assert attack
    assert bound
    file, _, words = test.partition(": ")
    name = "test_" + words.replace(" ", "_")
    assert f"def {name}(" in (PAGE.parents[1] / file.strip("`")).read_text("utf-8")
