"""List, read, delete, search, move and flag email, and list folders over IMAP: what the process gives."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from worker.models.base import Request
from worker.models.bounds import FOLDER_CHARACTERS
from worker.models.email import SortField, SortOrder
from worker.models.mailbox import (
    CRITERIA,
    ORDER,
    STORE_ATTACHMENTS_DESCRIPTION,
    Criteria,
    MailboxRequest,
    MaxToBeRead,
    MessageId,
    SearchedTexts,
    maximum,
)
from worker.models.search import Condition, Criterion, SearchField, all_of
from worker.models.texts import check_name, check_text, read_words

# RFC 9051, 9: an atom, of which the backslash would begin a flag of the protocol's own.
_KEYWORD = re.compile(r"[!#$&'+,./0-9:;<=>?@A-Z\[^_`a-z|}~-]{1,100}")
SYSTEM_FLAGS = {"draft": r"\Draft", "flagged": r"\Flagged", "answered": r"\Answered", "seen": r"\Seen"}
# The first removes the email, the second belongs to the server (RFC 9051, 2.3.2).
REFUSED_FLAGS = frozenset({"deleted", "recent"})
# As keywords, programs would not take them for the flags that have a backslash.
FLAGS = REFUSED_FLAGS.union(SYSTEM_FLAGS)


def _is_a_folder(path: str) -> str:
    path = check_name(path.strip())
    if not path.strip("./"):
        raise ValueError("must be a folder such as INBOX or Projects.2023")
    return path


Folder = Annotated[str, Field(max_length=FOLDER_CHARACTERS), AfterValidator(_is_a_folder)]
_FOLDER = "Separate folder levels with a dot or a slash: `Projects.2023`."
_INBOX = Field(
    default="INBOX",
    title="Folder",
    description=f"New email arrives in `INBOX`. {_FOLDER}",
    examples=["Projects.2023"],
)
_UNREAD_ONLY = Field(
    default=False, title="Unread only", description="Only emails that nobody has read yet (`seen` is false)."
)


class ListParameters(Request):
    """Which emails to list, in which order."""

    folder: Folder = _INBOX
    unread_only: bool = _UNREAD_ONLY
    max_to_be_read: MaxToBeRead = maximum(100)
    sort_field: SortField = Field(default=SortField.RECEIVED_DATE, title="Sort by")
    """The whole folder is sorted first, then cut at the maximum."""
    sort_order: SortOrder = ORDER


ListRequest = MailboxRequest[ListParameters]


class ReadParameters(Request):
    """Which email to read."""

    message_id: MessageId
    folder: Folder = _INBOX
    store_attachments: bool | None = Field(
        default=None, title="Store attachments", description=STORE_ATTACHMENTS_DESCRIPTION
    )
    mark_as_read: bool = Field(default=False, title="Mark as read")
    """Mark the email as read on the server, after its attachments were stored."""


ReadRequest = MailboxRequest[ReadParameters]


class DeleteParameters(Request):
    """Which email to delete."""

    message_id: MessageId
    folder: Folder = _INBOX


DeleteRequest = MailboxRequest[DeleteParameters]


class SearchParameters(SearchedTexts):
    """Which emails to find, in which order; all given criteria must match."""

    unread_only: bool = _UNREAD_ONLY
    criteria: Criteria = CRITERIA
    folder: Folder = _INBOX
    max_to_be_read: MaxToBeRead | None = maximum(None)
    sort_field: SortField | None = Field(default=None, title="Sort by")
    """The emails found are sorted first, then cut at the maximum. If it is left empty, they are in the
    order in which they came into the folder."""
    sort_order: SortOrder = ORDER

    @property
    def criterion(self) -> Criterion | None:
        """All criteria, joined by AND."""
        unread = Condition(SearchField.SEEN, value=False) if self.unread_only else None
        return all_of((*self.conditions, unread, self.criteria))


SearchRequest = MailboxRequest[SearchParameters]


class MoveParameters(Request):
    """Which email to move, and to which folder."""

    message_id: MessageId
    from_folder: Folder = Field(default="INBOX", title="From folder", examples=["INBOX"])
    """Where the email is now. New email arrives in `INBOX`."""
    to_folder: Folder = Field(
        title="To folder",
        description=f"Where to put the email. A folder that does not exist is created. {_FOLDER}",
        examples=["Archive.Orders"],
    )


MoveRequest = MailboxRequest[MoveParameters]


def _is_a_keyword(keyword: str) -> str:
    if not _KEYWORD.fullmatch(keyword):
        raise ValueError("must be a keyword of 1 to 100 ASCII letters and digits, such as $Processed")
    return keyword


def _is_an_own_keyword(keyword: str) -> str:
    if keyword.lower().removeprefix("\\") in FLAGS:
        raise ValueError("must be your own keyword; use seen, flagged and answered for the flags of IMAP")
    return keyword


Keyword = Annotated[str, AfterValidator(_is_a_keyword)]


OwnKeywords = Annotated[
    tuple[Annotated[str, AfterValidator(_is_an_own_keyword), AfterValidator(_is_a_keyword)], ...],
    BeforeValidator(read_words),
]


class Keywords(Request):
    """Keywords to add to an email, and to remove from it."""

    add: OwnKeywords = ()
    remove: OwnKeywords = ()


class FlagParameters(Request):
    """Which email, and the flags that it gets or loses."""

    message_id: MessageId
    folder: Folder = _INBOX
    seen: bool | None = Field(default=None, title="Read")
    """Whether the email has been read."""
    flagged: bool | None = Field(default=None, title="Flagged")
    """Whether the email is starred."""
    answered: bool | None = Field(default=None, title="Answered")
    """Whether the email has been answered."""
    keywords: Keywords | None = Field(default=None, title="Keywords", examples=['{add: ["$Processed"]}'])
    """Your own labels, such as `{add: ["$Processed"], remove: ["$Pending"]}`. Not every mail server keeps
    them."""

    @property
    def added(self) -> frozenset[str]:
        """The flags that the email gets, as the protocol writes them."""
        return self._flags(is_set=True).union(self.keywords.add if self.keywords else ())

    @property
    def removed(self) -> frozenset[str]:
        """The flags that the email loses, as the protocol writes them."""
        return self._flags(is_set=False).union(self.keywords.remove if self.keywords else ())

    @model_validator(mode="after")
    def _has_something_to_do(self) -> Self:
        if not (self.added or self.removed):
            raise ValueError("must have at least one of seen, flagged, answered and keywords")
        both = {flag.casefold() for flag in self.added} & {flag.casefold() for flag in self.removed}
        if both:
            raise ValueError(f"must not both add and remove the keyword {min(both)}")
        return self

    def _flags(self, *, is_set: bool) -> frozenset[str]:
        wanted = {r"\Seen": self.seen, r"\Flagged": self.flagged, r"\Answered": self.answered}
        return frozenset(flag for flag, value in wanted.items() if value is is_set)


FlagRequest = MailboxRequest[FlagParameters]


class FoldersParameters(Request):
    """Which folders to list."""

    pattern: Annotated[
        str, Field(max_length=FOLDER_CHARACTERS), AfterValidator(check_text), AfterValidator(str.strip)
    ] = Field(default="*", title="Pattern", examples=["Projects.*"])
    """`*` stands for any characters, `%` for those of one level, as in `Projects.*`."""


FoldersRequest = MailboxRequest[FoldersParameters]
