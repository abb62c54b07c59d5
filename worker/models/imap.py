"""List, read, delete, search and move email over IMAP: what the process gives."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from worker.models.authentication import Authentication
from worker.models.base import Request, Server
from worker.models.email import SortField, SortOrder
from worker.models.mailbox import CRITERIA_DESCRIPTION, Criteria, MaxToBeRead, MessageId, check_text

_MAX_FOLDER = 1000


def _is_a_folder(path: str) -> str:
    path = check_text(path).strip()
    if any(ord(character) < ord(" ") or character == "\x7f" for character in path):
        raise ValueError("may not hold a line break or another control character")
    if not path.strip("./"):
        raise ValueError("must be a folder such as INBOX or Projects.2023")
    return path


Folder = Annotated[str, Field(max_length=_MAX_FOLDER), AfterValidator(_is_a_folder)]
_FOLDER = "A folder inside another is written with a dot or a slash between them: `Projects.2023`."


class ListParameters(Request):
    """Which mails to list, in which order."""

    folder: Folder = Field(
        default="INBOX",
        title="Folder",
        description=f"New email arrives in `INBOX`. {_FOLDER}",
        examples=["Projects.2023"],
    )
    max_to_be_read: MaxToBeRead = 100
    sort_field: SortField = Field(
        default=SortField.RECEIVED_DATE,
        title="Sort by",
        description="The whole folder is sorted first, then cut at the maximum.",
    )
    sort_order: SortOrder = Field(
        default=SortOrder.ASC,
        title="Order",
        description="Which end comes first. It also decides which emails are left out beyond the maximum.",
    )


class ListRequest(Request):
    """The request of `email.imap.list`."""

    authentication: Authentication
    server: Server
    parameters: ListParameters = ListParameters()


class ReadParameters(Request):
    """Which mail to read."""

    message_id: MessageId
    folder: Folder = Field(
        default="INBOX",
        title="Folder",
        description=f"New email arrives in `INBOX`. {_FOLDER}",
        examples=["Projects.2023"],
    )
    store_attachments: bool = Field(
        default=False,
        title="Store attachments",
        description="Whether to put what is attached into Camunda's document store, and references to it into"
        " the result. The worker must know the store (`ZEEBE_REST_ADDRESS`).",
    )


class ReadRequest(Request):
    """The request of `email.imap.read`."""

    authentication: Authentication
    server: Server
    parameters: ReadParameters


class DeleteParameters(Request):
    """Which mail to delete."""

    message_id: MessageId
    folder: Folder = Field(
        default="INBOX",
        title="Folder",
        description=f"New email arrives in `INBOX`. {_FOLDER}",
        examples=["Projects.2023"],
    )


class DeleteRequest(Request):
    """The request of `email.imap.delete`."""

    authentication: Authentication
    server: Server
    parameters: DeleteParameters


class SearchParameters(Request):
    """Which mails to find."""

    criteria: Criteria = Field(
        default=None,
        title="Search for",
        description=CRITERIA_DESCRIPTION,
        examples=[{"field": "SUBJECT", "value": "order"}],
    )
    folder: Folder = Field(
        default="INBOX",
        title="Folder",
        description=f"New email arrives in `INBOX`. {_FOLDER}",
        examples=["Projects.2023"],
    )


class SearchRequest(Request):
    """The request of `email.imap.search`."""

    authentication: Authentication
    server: Server
    parameters: SearchParameters = SearchParameters()


class MoveParameters(Request):
    """Which mail to move, and where."""

    message_id: MessageId
    from_folder: Folder = Field(
        default="INBOX",
        title="From folder",
        description="Where the email is now. New email arrives in `INBOX`.",
        examples=["INBOX"],
    )
    to_folder: Folder = Field(
        title="To folder",
        description=f"Where to put the email. Folders that do not exist yet are made. {_FOLDER}",
        examples=["Archive.Orders"],
    )


class MoveRequest(Request):
    """The request of `email.imap.move`."""

    authentication: Authentication
    server: Server
    parameters: MoveParameters
