"""What strangers write takes time that grows with its length, and never the event loop's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from testkit.work import LINEAR, TIMES_LARGER, growth_of

from worker.errors import EmailError, InputError
from worker.job import request
from worker.job.assignment import Assignment
from worker.job.binding import bind
from worker.masking import Mask, excerpt, masking
from worker.models.smtp import SendRequest
from worker.operations.catalogue import BY_TASK_TYPE
from worker.secret_store import SecretStore

LETTER = {"from": "a@example.org", "to": "b@example.org", "subject": "s", "body": "b"}
SECRETS = SecretStore({}, prefix="SECRET_", directory=None)
FIELDS = ("authentication.*", "server.*")
# The first one finds what takes exponential time, before the second one would never end.
SIZES = (22, 20_000)


def variables(**parameters: Any) -> dict[str, Any]:
    return {
        "authentication": {"username": "u", "password": "p"},
        "server": {"host": "mail.example.com"},
        "parameters": LETTER | parameters,
    }


def read(given: dict[str, Any]) -> None:
    with suppress(EmailError):
        bind(SendRequest, given, secrets=SECRETS, mask=Mask(), secret_fields=FIELDS)


def assert_linear(work: Callable[[int], Callable[[], object]]) -> None:
    for size in SIZES:
        assert growth_of(work(size // TIMES_LARGER), work(size)) < LINEAR


# What is repeated, and what stands before it.
@pytest.mark.parametrize("start", ["", '"', "(", "<", "a@b.example, ", "g:", "[", "\\"])
@pytest.mark.parametrize(
    "piece",
    [
        "()",
        "(",
        '"',
        '\\"',
        "\\(",
        "<",
        '<"',
        "(a",
        " .",
        ". ",
        "@",
        "@,",
        ":",
        ";",
        ",",
        "a@b.c,",
        " ",
        "[",
        "\r\n ",
    ],
)
def test_addresses_that_nearly_are_some_take_linear_time(start: str, piece: str) -> None:
    assert_linear(lambda size: lambda: read(variables(to=start + piece * size)))
    assert_linear(lambda size: lambda: read(variables(to=start + piece * size + " x <y@z.example>")))


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        ("{{secrets.", " "),
        ("", "{{secrets."),
        ("", "{"),
        ("secrets.", "a."),
        ("", "secrets."),
        ("${", "a"),
        ("{", " secret."),
    ],
)
@pytest.mark.parametrize("field", ["host", "password"])
def test_a_text_that_is_nearly_a_secret_takes_linear_time(field: str, start: str, piece: str) -> None:
    group = {"host": "server", "password": "authentication"}[field]

    def work(size: int) -> Callable[[], object]:
        given = variables()
        given[group][field] = start + piece * size
        return lambda: read(given)

    assert_linear(work)


@pytest.mark.parametrize("name", ["a", "bodi", "parameters.to", "*", "[", "sUBJECT"])
def test_unknown_fields_take_linear_time(name: str) -> None:
    assert_linear(lambda size: lambda: read(variables(**{f"{name}{number}": 1 for number in range(size)})))


@pytest.mark.parametrize(
    "piece",
    [
        *("secretpw", "secretp", " ", "s\n", "535-", "535 5.7.8 ", "=", "Zm9v", "\\"),
        *("secretpw1", "%73ecretpw1 ", "c2VjcmV0cHcx", "c2VjcmV0cHcx."),
    ],
)
def test_masking_takes_linear_time(piece: str) -> None:
    mask = Mask()
    for number in range(20):
        mask.learn(f"secretpw{number}")
    mask.learn("pin")

    def work(size: int) -> Callable[[], object]:
        return lambda: excerpt(piece * size, 200)

    with masking(mask):
        assert_linear(work)


def test_masking_a_value_that_overlaps_itself_takes_linear_time() -> None:
    def work(size: int) -> Callable[[], object]:
        mask = Mask()
        mask.learn("a" * size)
        return lambda: mask.hide("a" * 4 * size)

    assert_linear(work)


@pytest.mark.parametrize(("characters", "is_apart"), [(100, False), (60_000, True)])
async def test_large_variables_are_read_outside_of_the_event_loop(
    characters: int, is_apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def noted(*given: Any, **more: Any) -> Any:
        threads.append(threading.current_thread())
        return bind(*given, **more)

    monkeypatch.setattr(request, "bind", noted)
    assignment = Assignment(BY_TASK_TYPE["email.smtp.send"], variables(body="b" * characters))
    bound = await request.read_request(assignment, SECRETS, Mask(), FIELDS)

    assert len(bound.parameters.body) == characters
    assert (threads != [threading.main_thread()]) is is_apart

    threads.clear()
    named = Assignment(
        BY_TASK_TYPE["email.smtp.send"], variables(body="b", attachments={"n" * characters: ""})
    )
    with pytest.raises(InputError, match="attachments"):
        await request.read_request(named, SECRETS, Mask(), FIELDS)
    assert (threads != [threading.main_thread()]) is is_apart
