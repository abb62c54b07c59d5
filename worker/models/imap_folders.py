"""List the folders of a mailbox over IMAP."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from worker.models.base import Request, Result
from worker.models.mailbox import MailboxRequest, check_text

_MAX_PATTERN = 1000


class FoldersParameters(Request):
    """Which folders to list."""

    pattern: Annotated[
        str, Field(max_length=_MAX_PATTERN), AfterValidator(check_text), AfterValidator(str.strip)
    ] = Field(default="*", title="Pattern", examples=["Projects.*"])
    """`*` stands for any characters, `%` for those of one level, as in `Projects.*`."""


FoldersRequest = MailboxRequest[FoldersParameters]


class FolderRow(Result):
    """One folder. `messages` and `unread` are null for a folder of folders, or if the server does not tell.

    `special_use`: what it is for (RFC 6154), such as Sent with a backslash; null if the server does not tell.
    """

    name: str
    delimiter: str | None
    messages: int | None
    unread: int | None
    special_use: str | None
