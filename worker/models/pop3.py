"""List, read, delete and search email over POP3: what the process gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worker.models.authentication import Authentication
from worker.models.base import Request, Server
from worker.models.email import SortField, SortOrder
from worker.models.mailbox import CRITERIA_DESCRIPTION, Criteria, MaxToBeRead, MessageId


class ListParameters(Request):
    """Which mails to list, in which order."""

    max_to_be_read: MaxToBeRead = 100
    sort_field: Literal[SortField.SENT_DATE, SortField.SIZE] = Field(
        default=SortField.SENT_DATE,
        title="Sort by",
        description="The whole mailbox is sorted first, then cut at the maximum.",
    )
    sort_order: SortOrder = Field(
        default=SortOrder.ASC,
        title="Order",
        description="Which end comes first. It also decides which emails are left out beyond the maximum.",
    )


class ListRequest(Request):
    """The request of `email.pop3.list`."""

    authentication: Authentication
    server: Server
    parameters: ListParameters = ListParameters()


class ReadParameters(Request):
    """Which mail to read, and to delete with that."""

    message_id: MessageId
    store_attachments: bool = Field(
        default=False,
        title="Store attachments",
        description="Whether to put what is attached into Camunda's document store, and references to it into"
        " the result. The worker must know the store (`ZEEBE_REST_ADDRESS`).",
    )


class ReadRequest(Request):
    """The request of `email.pop3.read`."""

    authentication: Authentication
    server: Server
    parameters: ReadParameters


class DeleteParameters(Request):
    """Which mail to delete."""

    message_id: MessageId


class DeleteRequest(Request):
    """The request of `email.pop3.delete`."""

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


class SearchRequest(Request):
    """The request of `email.pop3.search`."""

    authentication: Authentication
    server: Server
    parameters: SearchParameters = SearchParameters()
