from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.models.documents import ExternalDocument, InlineDocument, StoredDocument, parse_documents

STORED: dict[str, Any] = {
    "camunda.document.type": "camunda",
    "storeId": "aws",
    "documentId": "4711",
    "contentHash": "abc",
    "metadata": {
        "contentType": "application/pdf",
        "fileName": "Bill.pdf",
        "size": 7,
        "expiresAt": None,
        "customProperties": {},
    },
}

KINDS = st.sampled_from(["camunda", "inline", "external", "other", None])


def test_a_stored_document_is_known_by_its_id_store_and_hash() -> None:
    expected = StoredDocument("4711", "aws", "abc", "Bill.pdf", "application/pdf")
    assert parse_documents([STORED]) == (expected,)


def test_metadata_may_be_missing() -> None:
    bare = {"camunda.document.type": "camunda", "documentId": "4711", "metadata": None}
    assert parse_documents(bare) == (StoredDocument("4711"),)


def test_a_list_in_the_list_is_laid_out_and_null_does_not_count() -> None:
    assert len(parse_documents([[STORED, STORED], None, STORED])) == 3
    assert parse_documents(None) == parse_documents([]) == parse_documents([None, []]) == ()


@pytest.mark.parametrize(
    ("content", "octets"),
    [("Grüße", "Grüße".encode()), ("", b""), ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'.encode()), (5, b"5")],
)
def test_inline_content_is_a_text_or_the_json_of_anything_else(content: Any, octets: bytes) -> None:
    given = {"camunda.document.type": "inline", "content": content, "name": "a.txt", "contentType": ""}
    assert parse_documents(given) == (InlineDocument(octets, "a.txt", None),)


def test_an_external_document_is_a_url() -> None:
    given = {"camunda.document.type": "external", "url": "https://example.com/a", "name": None}
    assert parse_documents([given]) == (ExternalDocument("https://example.com/a", None),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("4711", "must be a document reference"),
        ([5], "has a fault: [0] must be a document reference"),
        ([STORED, {**STORED, "documentId": ""}], "has a fault: [1].documentId is required"),
        ([[{**STORED, "documentId": 7}]], "has a fault: [0][0].documentId must be a text"),
        ({**STORED, "metadata": "x"}, "has a fault: metadata must be a context"),
        (
            {**STORED, "metadata": {"fileName": "a\r\nb"}},
            "metadata.fileName must not contain a line break or another control character",
        ),
        ({"camunda.document.type": "inline"}, "has a fault: content is required"),
        ({"camunda.document.type": "external", "name": "a"}, "has a fault: url is required"),
        ({"documentId": "4711"}, "camunda.document.type must be 'camunda', 'inline' or 'external'"),
    ],
)
def test_a_fault_is_named_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"has a fault|must be") as caught:
        parse_documents(value)
    assert message in str(caught.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(STORED)) | st.just("content") | st.just("url"), inner)
        | st.builds(lambda kind, more: {**more, "camunda.document.type": kind}, KINDS, st.just(STORED))
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(ANYTHING)
def test_any_value_gives_documents_or_an_error_phrase(value: Any) -> None:
    phrase = "must be a tuple"
    try:
        assert isinstance(parse_documents(value), tuple)
    except ValueError as error:
        phrase = str(error)
    assert any(words in phrase for words in ("must be", "is required", "must not contain"))
