from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from worker.models.email import SortField, SortOrder
from worker.models.pop3 import DeleteRequest, ListRequest, ReadRequest, SearchRequest
from worker.models.search import Condition, SearchField


def variables(**parameters: Any) -> dict[str, Any]:
    return {
        "authentication": {"username": "ann", "password": "s3cret"},
        "server": {"host": "mail.example.org"},
        "parameters": parameters,
    }


def test_a_list_without_parameters_takes_a_hundred_by_their_dates() -> None:
    given = variables()
    del given["parameters"]
    for request in (ListRequest.model_validate(given), ListRequest.model_validate(variables())):
        assert request.parameters.max_to_be_read == 100
        assert request.parameters.sort_field is SortField.SENT_DATE
        assert request.parameters.sort_order is SortOrder.ASC


@pytest.mark.parametrize("number", [7, "7", 7.0, "7.0"])
def test_a_number_may_come_in_any_dress(number: object) -> None:
    assert ListRequest.model_validate(variables(maxToBeRead=number)).parameters.max_to_be_read == 7


@pytest.mark.parametrize(
    "parameters",
    [
        {"maxToBeRead": 0},
        {"maxToBeRead": True},
        {"maxToBeRead": "many"},
        {"sortField": "RECEIVED_DATE"},
        {"sortOrder": "UP"},
        {"folder": "INBOX"},
    ],
)
def test_a_list_refuses_what_it_does_not_know(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ListRequest.model_validate(variables(**parameters))


@pytest.mark.parametrize("model", [ReadRequest, DeleteRequest])
def test_an_id_is_required(model: type[ReadRequest | DeleteRequest]) -> None:
    assert model.model_validate(variables(messageId=" <a@b> ")).parameters.message_id == "<a@b>"
    for message_id in (None, "", "  "):
        with pytest.raises(ValidationError):
            model.model_validate(variables(messageId=message_id))


def test_criteria_may_be_a_context_its_json_or_nothing() -> None:
    expected = Condition(SearchField.FROM, "jane")
    for given in ({"field": "from", "value": "jane"}, '{"Field": "FROM", "value": "jane"}', expected):
        assert SearchRequest.model_validate(variables(criteria=given)).parameters.criteria == expected
    empty: tuple[object, ...] = (None, "", {})
    for nothing in empty:
        assert SearchRequest.model_validate(variables(criteria=nothing)).parameters.criteria is None


def test_a_fault_in_criteria_is_named_by_its_path() -> None:
    criteria = {"operator": "AND", "criteria": [{"field": "SEEN"}]}
    with pytest.raises(ValidationError, match=r"criteria\[0\]\.field"):
        SearchRequest.model_validate(variables(criteria=criteria))
