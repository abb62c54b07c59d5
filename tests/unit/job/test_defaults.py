from __future__ import annotations

from typing import Any

import pytest

from worker.errors import InputError
from worker.job.defaults import assign
from worker.operations.catalogue import BY_TASK_TYPE

LIST = BY_TASK_TYPE["email.imap.list"]
SERVER = {"host": "imap.example.com", "port": None, "cryptographicProtocol": "TLS"}
ACCOUNT = {"type": "simple", "username": "desk", "password": "s3cret"}
DEFAULTS: dict[str, dict[str, Any]] = {"server": SERVER, "authentication": ACCOUNT}
OWN = {"username": "ann", "password": "geheim"}


def assigned(variables: dict[str, Any]) -> tuple[Any, Any]:
    given = assign(LIST, DEFAULTS, variables).variables
    return given.get("server"), given.get("authentication")


@pytest.mark.parametrize("server", [None, {}, {"cryptographicProtocol": None}, {"host": " ", "port": ""}])
@pytest.mark.parametrize("authentication", [None, {}, {"type": None}])
def test_a_task_that_names_nothing_uses_what_the_worker_has(server: Any, authentication: Any) -> None:
    assert assigned({"server": server, "authentication": authentication}) == (SERVER, ACCOUNT)
    assert assigned({}) == (SERVER, ACCOUNT)


def test_a_task_may_name_its_own_account_at_the_server_of_the_worker() -> None:
    assert assigned({"authentication": OWN}) == (SERVER, OWN)


@pytest.mark.parametrize("authentication", [None, {"type": None}, OWN])
def test_the_account_of_the_worker_goes_to_no_other_server(authentication: Any) -> None:
    other = {"host": "evil.example.net"}
    assert assigned({"server": other, "authentication": authentication}) == (other, authentication)


def test_a_task_that_leaves_the_server_to_a_worker_without_one_is_told_so() -> None:
    with pytest.raises(InputError, match="EMAIL_WORKER_DEFAULT_IMAP_HOST"):
        assign(LIST, {}, {"server": {"cryptographicProtocol": None}})
    assert assign(LIST, {}, {}).variables == {}


@pytest.mark.parametrize("given", [{"sever": {"host": "x"}}, {"authenticaton": OWN}, {"parametres": {}}])
@pytest.mark.parametrize("defaults", [DEFAULTS, {}])
def test_a_misspelt_group_is_not_replaced_by_what_the_worker_has(
    given: dict[str, Any], defaults: dict[str, Any]
) -> None:
    (name,) = given
    with pytest.raises(InputError, match=f"is missing, but there is {name}; did you mean"):
        assign(LIST, defaults, given)


def test_another_variable_with_such_a_name_is_the_process_s_own() -> None:
    for own in ({"parameter": 3, "Server": "eu-1"}, {"parameter": {"x": 3}, "Server": {"name": "eu-1"}}):
        assert assign(LIST, DEFAULTS, own).variables["server"] == SERVER


def test_a_worker_without_an_account_gives_none() -> None:
    assert "authentication" not in assign(LIST, {"server": SERVER}, {}).variables
    assert assign(LIST, {"server": SERVER}, {"authentication": OWN}).variables["authentication"] == OWN
