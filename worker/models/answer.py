"""The email that another one answers (RFC 5322 3.6.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from worker.models.expectation import shown
from worker.models.headers import ID

# Also what is no Message-ID by the rules, such as `<4711>`: the thread is made of what senders write.
_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_WITHOUT_BRACKETS = re.compile(ID)
# Long threads: the first email, and those before the last.
_MOST_REFERENCES = 30


@dataclass(frozen=True, slots=True)
class Answered:
    """The Message-ID of an email with angle brackets, empty if it has none; and those of its thread."""

    message_id: str = ""
    references: tuple[str, ...] = ()


def read_answered(value: Any) -> Answered:
    """Read a Message-ID, or the result of reading an email; raises ValueError to complete "<field> …"."""
    if isinstance(value, str):
        text = value.strip()
        ids = [f"<{text}>"] if _WITHOUT_BRACKETS.fullmatch(text) else _ID.findall(text)
        if len(ids) != 1 or not _ID.fullmatch(ids[0]):
            raise ValueError(_expected(value))
        return Answered(ids[0], (ids[0],))
    if not isinstance(value, Mapping) or "messageId" not in value:
        raise ValueError(_expected(value))
    fields = _fields_of(value.get("headers"))
    own = _ID.findall(fields.get("message-id") or str(value.get("messageId") or ""))[:1]
    thread = _ID.findall(fields.get("references", ""))
    if not thread and len(parents := _ID.findall(fields.get("in-reply-to", ""))) == 1:
        thread = parents
    return Answered("".join(own), (*thread[:1], *thread[1:][-_MOST_REFERENCES:], *own) if own else ())


def _fields_of(headers: Any) -> dict[str, str]:
    """Return the first field of each name, in lower case, as reading gives them."""
    fields: dict[str, str] = {}
    for field in headers if isinstance(headers, list) else ():
        if isinstance(field, Mapping):
            fields.setdefault(str(field.get("header")).lower(), str(field.get("value")))
    return fields


def _expected(value: Any) -> str:
    found = shown(value)
    return (
        f"must be a Message-ID such as <unique@example.com> or the result of reading an email, found {found}"
    )


AnsweredEmail = Annotated[
    Answered, PlainValidator(read_answered), WithJsonSchema({"type": "string", "title": "email"})
]
