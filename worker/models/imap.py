"""List, read, delete, search and move email over IMAP: what the process gives."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from worker.models.base import Authentication, Request, Server
from worker.models.mail import SortField, SortOrder
from worker.models.search import Condition, Group, parse_criteria

# RFC 5322, 2.1.1 bounds a line at 998; what is longer than this is no id.
_MAX_MESSAGE_ID = 2000
_MAX_FOLDER = 1000


def _is_a_folder(path: str) -> str:
    path = _is_text(path).strip()
    if any(ord(character) < ord(" ") or character == "\x7f" for character in path):
        raise ValueError("may not hold a line break or another control character")
    if not path.strip("./"):
        raise ValueError("must be a folder such as INBOX or Projects.2023")
    return path


def _is_a_message_id(text: str) -> str:
    return _is_text(text).strip()


def _is_text(text: str) -> str:
    """Refuse what no server can be sent: NUL, and half a character (a lone surrogate)."""
    if "\0" in text or (
        not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text)
    ):
        raise ValueError("may not hold NUL or half a character")
    return text


def _is_no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number from 1 to 10000")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _read_criteria(value: Any) -> Any:
    return value if isinstance(value, Condition | Group) else parse_criteria(value)


Folder = Annotated[str, Field(max_length=_MAX_FOLDER), AfterValidator(_is_a_folder)]
MessageId = Annotated[
    str,
    Field(
        max_length=_MAX_MESSAGE_ID,
        description="The message's Message-ID, with or without angle brackets, or the id that a list gave.",
    ),
    AfterValidator(_is_a_message_id),
]
MaxToBeRead = Annotated[
    int, Field(ge=1, le=10_000, description="How many to list at most."), BeforeValidator(_is_no_boolean)
]
Criteria = Annotated[Condition | Group | None, BeforeValidator(_read_criteria)]

_FOLDER = "The folder; “.” and “/” divide its levels."


class ListParameters(Request):
    """Which mails to list, in which order."""

    folder: Folder = Field(default="INBOX", description=_FOLDER)
    max_to_be_read: MaxToBeRead = 100
    sort_field: SortField = Field(
        default=SortField.RECEIVED_DATE, description="What to sort by: the whole folder, before it is cut."
    )
    sort_order: SortOrder = Field(
        default=SortOrder.ASC, description="ASC: oldest or smallest first. DESC: newest or largest first."
    )


class ListRequest(Request):
    """The request of `email.imap.list`."""

    authentication: Authentication
    server: Server
    parameters: ListParameters = ListParameters()


class ReadParameters(Request):
    """Which mail to read."""

    message_id: MessageId
    folder: Folder = Field(default="INBOX", description=_FOLDER)


class ReadRequest(Request):
    """The request of `email.imap.read`."""

    authentication: Authentication
    server: Server
    parameters: ReadParameters


class DeleteParameters(Request):
    """Which mail to delete."""

    message_id: MessageId
    folder: Folder = Field(default="INBOX", description=_FOLDER)


class DeleteRequest(Request):
    """The request of `email.imap.delete`."""

    authentication: Authentication
    server: Server
    parameters: DeleteParameters


class SearchParameters(Request):
    """Which mails to find."""

    criteria: Criteria = Field(
        default=None,
        description='A context, or its JSON text: {"field": "FROM", "value": "jane@example.com"} with the'
        ' fields FROM, SUBJECT and BODY, or {"operator": "AND", "criteria": […]} with the operators AND'
        " and OR. Without it, every mail is found.",
    )
    folder: Folder = Field(default="INBOX", description=_FOLDER)


class SearchRequest(Request):
    """The request of `email.imap.search`."""

    authentication: Authentication
    server: Server
    parameters: SearchParameters = SearchParameters()


class MoveParameters(Request):
    """Which mail to move, and where."""

    message_id: MessageId
    from_folder: Folder = Field(default="INBOX", description=f"{_FOLDER} The mail is there now.")
    to_folder: Folder = Field(description=f"{_FOLDER} Levels that are missing are created.")


class MoveRequest(Request):
    """The request of `email.imap.move`."""

    authentication: Authentication
    server: Server
    parameters: MoveParameters
