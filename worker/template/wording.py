"""The texts of each operation in Modeler: name, description, keywords, example expressions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """One operation in words.

    `result_variable`: offered if the operation is useless without its result. `warning`: shown at the field
    that names the email.
    """

    choice: str
    description: str
    keywords: tuple[str, ...]
    result_expression: str
    error_expression: str
    result_variable: str | None = None
    warning: str = ""


def _error(code: str) -> str:
    return f'=if error.code = "{code}" then bpmnError("{code}", error.message) else null'


_GONE = _error("MESSAGE_NOT_FOUND")
_LIST = "={first: response[1].messageId, howMany: count(response)}"
_SEARCH = "={isFound: count(response) > 0, first: response[1].messageId}"
_READ = "={sender: response.fromAddress, orderText: response.plainTextBody}"
_DELETE = "={isDeleted: response.deleted}"
_POP3_READ_WARNING = "⚠ Reading over POP3 deletes the email on the server once the process has it."

WORDINGS: dict[str, Wording] = {
    "email.smtp.send": Wording(
        "Send an email",
        "Sends an email through your mail server.",
        ("smtp", "mail", "message", "notify", "confirmation"),
        "={sentAs: response.messageId}",
        '=if response.sent = false then bpmnError("NOT_SENT", "The server accepted no recipient") else null',
    ),
    "email.imap.list": Wording(
        "List emails of a folder",
        "Lists the emails of a folder, with sender, subject, size and dates.",
        ("mail", "inbox", "mailbox", "folder", "fetch", "receive"),
        _LIST,
        _error("FOLDER_NOT_FOUND"),
        result_variable="emails",
    ),
    "email.imap.read": Wording(
        "Read an email",
        "Reads one email: its text, HTML, addresses and headers. It stays unchanged on the server.",
        ("mail", "inbox", "open", "body", "fetch", "receive"),
        _READ,
        _GONE,
        result_variable="email",
    ),
    "email.imap.delete": Wording(
        "Delete an email",
        "Deletes one email permanently from a folder.",
        ("mail", "remove", "inbox", "expunge"),
        _DELETE,
        _GONE,
    ),
    "email.imap.search": Wording(
        "Search a folder",
        "Finds the emails of a folder by sender, subject or text.",
        ("mail", "find", "filter", "query", "inbox"),
        _SEARCH,
        _error("FOLDER_NOT_FOUND"),
        result_variable="foundEmails",
    ),
    "email.imap.move": Wording(
        "Move an email to another folder",
        "Moves one email to another folder, which is created if it does not exist.",
        ("mail", "file", "archive", "folder", "inbox"),
        "={filedIn: response.to}",
        _GONE,
    ),
    "email.imap.flag": Wording(
        "Mark an email as read, flagged or answered",
        "Sets and clears the flags of one email: read, flagged, answered, and keywords.",
        ("mail", "mark", "read", "unread", "star", "label", "keyword", "inbox"),
        "={isRead: response.seen}",
        _GONE,
    ),
    "email.imap.append": Wording(
        "Store an email in a folder",
        "Stores an email in a folder, such as a copy of a sent email or a draft. It is not sent.",
        ("mail", "sent", "draft", "copy", "save", "file", "folder"),
        "={filedAs: response.messageId}",
        _error("QUOTA_EXCEEDED"),
    ),
    "email.imap.folders": Wording(
        "List folders",
        "Lists the folders of a mailbox, with the number of emails and of unread emails.",
        ("mail", "mailbox", "folder", "count", "unread"),
        "={unread: sum(response.unread)}",
        _error("AUTHENTICATION_FAILED"),
        result_variable="folders",
    ),
    "email.pop3.list": Wording(
        "List emails of the mailbox",
        "Lists the emails of a mailbox, with sender, subject, size and date. They stay there.",
        ("mail", "inbox", "mailbox", "fetch", "receive"),
        _LIST,
        _error("AUTHENTICATION_FAILED"),
        result_variable="emails",
    ),
    "email.pop3.read": Wording(
        "Read an email and delete it on the server",
        "Reads one email and deletes it on the server, once the process has it.",
        ("mail", "inbox", "open", "body", "fetch", "receive", "collect"),
        _READ,
        _GONE,
        result_variable="email",
        warning=_POP3_READ_WARNING,
    ),
    "email.pop3.delete": Wording(
        "Delete an email",
        "Deletes one email permanently from a mailbox.",
        ("mail", "remove", "inbox"),
        _DELETE,
        _GONE,
    ),
    "email.pop3.search": Wording(
        "Search the mailbox",
        "Finds the emails of a mailbox by sender, subject or text. They stay there.",
        ("mail", "find", "filter", "query", "inbox"),
        _SEARCH,
        _error("AUTHENTICATION_FAILED"),
        result_variable="foundEmails",
    ),
}
"""By job type."""
