"""The fields that IMAP and POP3 requests have in common."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from worker.models.authentication import Authentication
from worker.models.base import Request, Server
from worker.models.bounds import MESSAGE_ID_CHARACTERS
from worker.models.email import SortOrder
from worker.models.search import (
    FIELDS_WITHOUT_FLAGS,
    Condition,
    Group,
    SearchField,
    parse_criteria,
    read_day,
    read_text,
)
from worker.models.texts import check_text

P = TypeVar("P")


def _is_no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number from 1 to 10000")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _read_criteria(value: Any, fields: Iterable[SearchField] = tuple(SearchField)) -> Any:
    return value if isinstance(value, Condition | Group) else parse_criteria(value, fields)


class MailboxRequest(Request, Generic[P]):
    """A request to a mailbox. Parameters that are not given are read as an empty context."""

    authentication: Authentication
    server: Server
    parameters: P = Field(default={}, validate_default=True)


MessageId = Annotated[
    str,
    Field(
        max_length=MESSAGE_ID_CHARACTERS,
        title="Message id",
        description="Which email, such as `=emails[1].messageId`. Give the messageId of a list or search, or"
        " the Message-ID of its header, with or without `<` and `>`.",
        examples=["<20240819.42@example.com>"],
    ),
    AfterValidator(check_text),
    AfterValidator(str.strip),
]
MaxToBeRead = Annotated[int, Field(ge=1, le=10_000), BeforeValidator(_is_no_boolean)]
Criteria = Annotated[Condition | Group | None, BeforeValidator(_read_criteria)]
CriteriaWithoutFlags = Annotated[
    Condition | Group | None, BeforeValidator(partial(_read_criteria, fields=FIELDS_WITHOUT_FLAGS))
]

ORDER = Field(
    default=SortOrder.ASC,
    title="Order",
    description="Sort order. It also decides which emails are left out above the maximum.",
)
CRITERIA = Field(
    default=None,
    title="Criteria",
    description='More criteria, such as `{"field": "BODY", "value": "order"}`. They are case-insensitive, and'
    ' joined by `AND`, `OR` and `NOT`: `{"operator": "OR", "criteria": [{"field": "TO", "value":'
    ' "jane@example.com"}, {"field": "HEADER", "name": "In-Reply-To", "value": "4711@example.com"}]}`.',
    examples=[{"field": "SUBJECT", "value": "order"}],
)
STORE_ATTACHMENTS_DESCRIPTION = (
    "Store attachments in Camunda's document store and return references. By default they are stored if the"
    " worker knows the store (`ZEEBE_REST_ADDRESS`)."
)


def maximum(default: int | None) -> Any:
    """Return the field for the most emails of a list."""
    return Field(
        default=default,
        title="Maximum number of emails",
        description="At most this many emails are returned, from 1 to 10000.",
        examples=[10],
    )


_SearchedText = Annotated[str, BeforeValidator(read_text), AfterValidator(str.strip)]


class SearchedTexts(Request):
    """The criteria that have a separate field."""

    from_: _SearchedText | None = Field(
        default=None, alias="from", title="From", examples=["jane@example.com"]
    )
    """Part of the sender's address or name. All given criteria must match."""
    subject: _SearchedText | None = Field(default=None, title="Subject", examples=["order"])
    """Part of the subject, case-insensitive."""
    since: Annotated[date, BeforeValidator(read_day)] | None = Field(
        default=None, title="Since", examples=["2026-11-27"]
    )
    """Received on this day or later, such as `2026-11-27` or `=today() - duration("P7D")`."""

    @property
    def conditions(self) -> list[Condition]:
        """The criteria that are given."""
        given = {
            SearchField.FROM: self.from_,
            SearchField.SUBJECT: self.subject,
            SearchField.SINCE: self.since,
        }
        return [Condition(field, value) for field, value in given.items() if value]
