"""List, read, delete and search email over POP3: what the process gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worker.models.base import Request
from worker.models.email import SortField, SortOrder
from worker.models.mailbox import (
    CRITERIA,
    ORDER,
    STORE_ATTACHMENTS_DESCRIPTION,
    CriteriaWithoutFlags,
    MailboxRequest,
    MaxToBeRead,
    MessageId,
    SearchedTexts,
    maximum,
)
from worker.models.search import Criterion, all_of


class ListParameters(Request):
    """Which emails to list, in which order."""

    max_to_be_read: MaxToBeRead = maximum(100)
    sort_field: Literal[SortField.SENT_DATE, SortField.SIZE] = Field(
        default=SortField.SENT_DATE, title="Sort by"
    )
    """The whole mailbox is sorted first, then cut at the maximum."""
    sort_order: SortOrder = ORDER


ListRequest = MailboxRequest[ListParameters]


class ReadParameters(Request):
    """Which email to read and then delete."""

    message_id: MessageId
    store_attachments: bool | None = Field(
        default=None,
        title="Store attachments",
        description=f"{STORE_ATTACHMENTS_DESCRIPTION} Without a store, reading an email that has attachments"
        " fails and the email stays; with `false`, they are only listed, and deleted with the email.",
    )


ReadRequest = MailboxRequest[ReadParameters]


class DeleteParameters(Request):
    """Which email to delete."""

    message_id: MessageId


DeleteRequest = MailboxRequest[DeleteParameters]


class SearchParameters(SearchedTexts):
    """Which emails to find, in which order; all given criteria must match."""

    criteria: CriteriaWithoutFlags = CRITERIA
    max_to_be_read: MaxToBeRead | None = maximum(None)
    sort_field: Literal[SortField.SENT_DATE, SortField.SIZE] | None = Field(default=None, title="Sort by")
    """The emails found are sorted first, then cut at the maximum. If it is left empty, they are in the
    order of the server's numbers."""
    sort_order: SortOrder = ORDER

    @property
    def criterion(self) -> Criterion | None:
        """All criteria, joined by AND."""
        return all_of((*self.conditions, self.criteria))


SearchRequest = MailboxRequest[SearchParameters]
