from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from worker.models.email import SortField, SortOrder
from worker.models.imap import FlagRequest, ListRequest, MoveRequest, ReadRequest, SearchRequest
from worker.models.search import Condition, SearchField

COMMON = {
    "authentication": {"username": "ann", "password": "s3cret"},
    "server": {"host": "mail.example.org"},
}


def message_of(model: Any, parameters: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({**COMMON, "parameters": parameters})
    return str(caught.value.errors()[0]["msg"])


def test_a_list_needs_no_parameter() -> None:
    wanted = ListRequest.model_validate(COMMON).parameters
    assert (wanted.folder, wanted.max_to_be_read) == ("INBOX", 100)
    assert (wanted.sort_field, wanted.sort_order) == (SortField.RECEIVED_DATE, SortOrder.ASC)


@pytest.mark.parametrize("number", ["25", 25.0, 25])
def test_numbers_may_be_texts(number: Any) -> None:
    parameters = {"maxToBeRead": number, "folder": None, "sortField": ""}
    assert ListRequest.model_validate({**COMMON, "parameters": parameters}).parameters.max_to_be_read == 25


@pytest.mark.parametrize("number", [0, -1, 10_001, True, 1.5, "many"])
def test_a_number_out_of_bounds_is_refused(number: Any) -> None:
    assert message_of(ListRequest, {"maxToBeRead": number})


@pytest.mark.parametrize("folder", ["a\r\nb", "a\0", "...", "/", "a\x7f", "\ud800", "x" * 1001])
def test_a_folder_that_no_server_could_have_is_refused(folder: str) -> None:
    assert message_of(ListRequest, {"folder": folder})
    assert message_of(MoveRequest, {"messageId": "1@x", "toFolder": folder})


def test_a_message_id_may_be_folded_and_may_not_contain_half_a_character() -> None:
    request = ReadRequest.model_validate({**COMMON, "parameters": {"messageId": " <a@x>\r\n "}})
    assert request.parameters.message_id == "<a@x>"
    for wrong in ("a\0", "\udc00", "x" * 2001):
        assert message_of(ReadRequest, {"messageId": wrong})


def test_criteria_are_read_from_a_context_or_a_text() -> None:
    for criteria in ({"field": "from", "value": "x"}, '{"field": "FROM", "value": "x"}'):
        request = SearchRequest.model_validate({**COMMON, "parameters": {"criteria": criteria}})
        assert request.parameters.criteria == Condition(SearchField.FROM, "x")
    assert "criteria[0].field" in message_of(
        SearchRequest, {"criteria": {"operator": "or", "criteria": [{"field": "content", "value": "x"}]}}
    )


def flag(**keywords: Any) -> dict[str, Any]:
    return {"messageId": "1@x", "keywords": keywords}


def test_keywords_may_be_a_text_or_a_list_in_which_blanks_and_null_do_not_count() -> None:
    parameters = flag(add="$Done, Invoice,", remove=["Open", None, "", 7])
    wanted = FlagRequest.model_validate({**COMMON, "parameters": parameters}).parameters
    assert wanted.added == {"$Done", "Invoice"}
    assert wanted.removed == {"Open", "7"}


@pytest.mark.parametrize("name", ["Seen", "\\Seen", "FLAGGED", "\\Deleted", "draft"])
def test_a_flag_of_the_protocol_is_no_keyword(name: str) -> None:
    assert "must be your own keyword; use seen" in message_of(FlagRequest, flag(add=[name]))
    assert "must be your own keyword" in message_of(FlagRequest, flag(remove=name))


def test_blanks_around_the_text_of_a_field_are_not_searched_for() -> None:
    parameters = {"from": " jane@example.com\t", "subject": "order "}
    wanted = SearchRequest.model_validate({**COMMON, "parameters": parameters}).parameters
    assert [each.value for each in wanted.conditions] == ["jane@example.com", "order"]
