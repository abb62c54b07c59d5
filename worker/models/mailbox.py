"""The fields that IMAP and POP3 requests have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from worker.models.bounds import MESSAGE_ID_CHARACTERS
from worker.models.search import Condition, Group, parse_criteria


def check_text(text: str) -> str:
    """Refuse what no server can be sent: NUL, and half a character (a lone surrogate)."""
    if "\0" in text or (
        not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text)
    ):
        raise ValueError("may not hold NUL or half a character")
    return text


def _is_a_message_id(text: str) -> str:
    return check_text(text).strip()


def _is_no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number from 1 to 10000")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _read_criteria(value: Any) -> Any:
    return value if isinstance(value, Condition | Group) else parse_criteria(value)


MessageId = Annotated[
    str,
    Field(
        max_length=MESSAGE_ID_CHARACTERS,
        title="Message id",
        description="Which email: the messageId that a list or search gave, such as `=emails[1].messageId`,"
        " or the Message-ID of its header, with or without `<` and `>`.",
        examples=["<20240819.42@example.com>"],
    ),
    AfterValidator(_is_a_message_id),
]
MaxToBeRead = Annotated[
    int,
    Field(
        ge=1,
        le=10_000,
        title="Maximum number of emails",
        description="The list ends here, whatever else there is. From 1 to 10000.",
        examples=[10],
    ),
    BeforeValidator(_is_no_boolean),
]
Criteria = Annotated[Condition | Group | None, BeforeValidator(_read_criteria)]

CRITERIA_DESCRIPTION = (
    "What the emails must hold, letter case aside; `field` is `FROM`, `SUBJECT` or `BODY`. Several conditions"
    ' are joined by `AND` or `OR`: `{"operator": "AND", "criteria": [{"field": "FROM", "value":'
    ' "jane@example.com"}, {"field": "SUBJECT", "value": "order"}]}`. Empty finds every email.'
)
