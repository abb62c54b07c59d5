"""List, read, delete and search email over POP3: what the process gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worker.models.authentication import Authentication
from worker.models.base import Request, Server
from worker.models.email import SortField, SortOrder
from worker.models.mailbox import (
    CRITERIA_DESCRIPTION,
    FROM_DESCRIPTION,
    MAXIMUM_DESCRIPTION,
    SINCE_DESCRIPTION,
    STORE_ATTACHMENTS_DESCRIPTION,
    SUBJECT_DESCRIPTION,
    CriteriaWithoutFlags,
    Day,
    MaxToBeRead,
    MessageId,
    SearchText,
)
from worker.models.search import Condition, Criterion, SearchField, all_of


class ListParameters(Request):
    """Which emails to list, in which order."""

    max_to_be_read: MaxToBeRead = 100
    sort_field: Literal[SortField.SENT_DATE, SortField.SIZE] = Field(
        default=SortField.SENT_DATE,
        title="Sort by",
        description="The whole mailbox is sorted first, then cut at the maximum.",
    )
    sort_order: SortOrder = Field(
        default=SortOrder.ASC,
        title="Order",
        description="Sort order. It also decides which emails are left out above the maximum.",
    )


class ListRequest(Request):
    """The request of `email.pop3.list`."""

    authentication: Authentication
    server: Server
    parameters: ListParameters = ListParameters()


class ReadParameters(Request):
    """Which email to read and then delete."""

    message_id: MessageId
    store_attachments: bool | None = Field(
        default=None,
        title="Store attachments",
        description=f"{STORE_ATTACHMENTS_DESCRIPTION} Without a store, reading an email that has attachments"
        " fails and the email stays; with `false`, they are only listed, and deleted with the email.",
    )


class ReadRequest(Request):
    """The request of `email.pop3.read`."""

    authentication: Authentication
    server: Server
    parameters: ReadParameters


class DeleteParameters(Request):
    """Which email to delete."""

    message_id: MessageId


class DeleteRequest(Request):
    """The request of `email.pop3.delete`."""

    authentication: Authentication
    server: Server
    parameters: DeleteParameters


class SearchParameters(Request):
    """Which emails to find, in which order; all given criteria must match."""

    from_: SearchText | None = Field(
        default=None,
        alias="from",
        title="From",
        description=FROM_DESCRIPTION,
        examples=["jane@example.com"],
    )
    subject: SearchText | None = Field(
        default=None, title="Subject", description=SUBJECT_DESCRIPTION, examples=["order"]
    )
    since: Day | None = Field(
        default=None, title="Since", description=SINCE_DESCRIPTION, examples=["2026-11-27"]
    )
    criteria: CriteriaWithoutFlags = Field(
        default=None,
        title="Criteria",
        description=CRITERIA_DESCRIPTION,
        examples=[{"field": "SUBJECT", "value": "order"}],
    )
    max_to_be_read: MaxToBeRead | None = Field(
        default=None, title="Maximum number of emails", description=MAXIMUM_DESCRIPTION, examples=[10]
    )
    sort_field: Literal[SortField.SENT_DATE, SortField.SIZE] | None = Field(
        default=None,
        title="Sort by",
        description="The emails found are sorted first, then cut at the maximum. If it is left empty,"
        " they are in the order of the server's numbers.",
    )
    sort_order: SortOrder = Field(
        default=SortOrder.ASC,
        title="Order",
        description="Sort order. It also decides which emails are left out above the maximum.",
    )

    @property
    def criterion(self) -> Criterion | None:
        """All criteria, joined by AND."""
        return all_of(
            (
                Condition(SearchField.FROM, self.from_) if self.from_ else None,
                Condition(SearchField.SUBJECT, self.subject) if self.subject else None,
                Condition(SearchField.SINCE, self.since) if self.since else None,
                self.criteria,
            )
        )


class SearchRequest(Request):
    """The request of `email.pop3.search`."""

    authentication: Authentication
    server: Server
    parameters: SearchParameters = SearchParameters()
