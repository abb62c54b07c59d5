"""Searching a folder by criteria, at worst here. It blocks: use it in a thread.

Exchange knows no texts beyond ASCII, GreenMail nothing but whole addresses after FROM.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from worker.errors import NotSupported, ResultTooLarge
from worker.mail.imap.criteria import searchable_part, to_query
from worker.mail.imap.errors import is_unexplained
from worker.mail.imap.limits import MOST_SEARCHED_HERE, STRUCTURE
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.reading import fetch_rows
from worker.mail.imap.replies import Fetched, header_fields
from worker.mail.imap.sorting import EmailOrder, first_of
from worker.mail.local_search import HEADER_FIELDS, Facts, decide, with_content
from worker.mail.message.parse import parse_headers, read_header_fields
from worker.models.email import FoundImapEmail
from worker.models.search import Criterion, SearchField, conditions_of

_HIT = f"BODYSTRUCTURE FLAGS {header_fields('MESSAGE-ID', 'SUBJECT', 'CONTENT-TYPE')}"
_STRUCTURE = "BODYSTRUCTURE RFC822.SIZE"
# In octets. Dovecot ends the session at literals that have more than 64 KiB together.
_LONGEST_QUERY = 60_000
_MOST_WHOLE = 10  # in sizes of the largest message that is read


def search_messages(
    mailbox: ImapMailbox, path: str, criterion: Criterion | None, order: EmailOrder
) -> list[FoundImapEmail]:
    """Find messages by criteria, in the order asked for: see `fetch_rows`."""
    mailbox.session.purpose = "search the folder"
    mailbox.folders.open(path)
    uids = first_of(mailbox, order, _find(mailbox, criterion))
    rows = fetch_rows(mailbox, uids, _HIT)
    return [
        FoundImapEmail(**{name: getattr(row, name) for name in FoundImapEmail.model_fields}) for row in rows
    ]


def _find(mailbox: ImapMailbox, criterion: Criterion | None) -> Collection[int]:
    """Have the server search, or search here if it refuses.

    Whether a message has attachments, which no search key tells, is looked up if it decides.
    """
    if criterion is None:
        return mailbox.search("ALL")
    queries = dict.fromkeys(to_query(criterion, have_attachments=each) for each in (True, False))
    found: list[set[int]] = []
    for query in queries:
        uids = _ask(mailbox, query)
        if uids is None:
            return _search_here(mailbox, criterion)
        found.append(set(uids))
    found_with, found_without = found[0], found[-1]
    decisive = mailbox.fetch(found_with ^ found_without, _STRUCTURE, STRUCTURE)
    attached = {each.uid: each.has_attachments for each in decisive}
    if None in attached.values():  # the server does not send the structure
        return _search_here(mailbox, criterion)
    either = found_with | found_without
    return {uid for uid in either if uid in (found_with if attached.get(uid) else found_without)}


def _ask(mailbox: ImapMailbox, query: str) -> Collection[int] | None:
    """Search in UTF-8, or in a charset that the server names instead; None if it does not search for this."""
    if len(query.encode()) > _LONGEST_QUERY:
        return None
    charsets: list[str | None] = [None if query.isascii() else "UTF-8"]
    for charset in charsets:
        try:
            reply, uids = mailbox.attempt_search(query, charset)
        except (LookupError, UnicodeEncodeError):
            continue  # the charset cannot say it
        if reply.code != "BADCHARSET":
            break
        named = reply.code_arguments.replace('"', " ").strip("() ").upper().split()
        charsets += [name for name in named if name not in charsets]
    if is_unexplained(reply):
        return None
    if not reply.is_ok:
        raise mailbox.session.refusal(reply)
    return uids


def _search_here(mailbox: ImapMailbox, criterion: Criterion) -> list[int]:
    """Return the UIDs of messages that meet a criterion, of which the server may search a part.

    Raises NotSupported if more messages are left than are looked at, ResultTooLarge if too much of text is.
    """
    fields = {each.field for each in conditions_of(criterion)}
    header = (
        header_fields()
        if fields & HEADER_FIELDS
        else header_fields("FROM", "SUBJECT", "DATE", "CONTENT-TYPE")
    )
    structure = "BODYSTRUCTURE " if SearchField.ATTACHMENT in fields else ""
    items = f"{structure}RFC822.SIZE INTERNALDATE FLAGS {header}"
    found: list[int] = []
    undecided: dict[int, Facts] = {}
    for each in mailbox.fetch(_candidates(mailbox, criterion), items):
        facts = _facts(each)
        verdict = decide(criterion, facts)
        if verdict:
            found.append(each.uid)
        elif verdict is None:
            undecided[each.uid] = replace(facts, fields=None)
    octets, limit = sum(each.size for each in undecided.values()), mailbox.session.limits.max_message_bytes
    if octets > _MOST_WHOLE * limit:
        text = f"{octets} octets would have to be read at {mailbox.session.server}; at most"
        raise ResultTooLarge(f"{text} {_MOST_WHOLE * limit} are.", bytes=octets, limit=_MOST_WHOLE * limit)
    for uid, facts in undecided.items():
        whole = mailbox.fetch_whole(uid)
        raw = whole.section if whole else None
        if raw is not None and decide(criterion, with_content(facts, raw, criterion)):
            found.append(uid)
    return found


def _candidates(mailbox: ImapMailbox, criterion: Criterion) -> Collection[int]:
    uids = _ask(mailbox, to_query(searchable_part(criterion)))
    if uids is None:
        uids = mailbox.search("ALL")
    if len(uids) > MOST_SEARCHED_HERE:
        server = mailbox.session.server
        raise NotSupported(
            f"{server} refuses this search, and {len(uids)} messages are more than the {MOST_SEARCHED_HERE}"
            " that the worker searches itself; narrow the criteria.",
            server=server,
            extension="SEARCH",
        )
    return uids


def _facts(message: Fetched) -> Facts:
    """Return what is known of a message by what was fetched of it."""
    raw = message.section or b""
    head = parse_headers(raw)
    return Facts(
        from_text=head.from_text,
        subject=head.subject,
        size=message.size or 0,
        received_date=message.received,
        sent_day=head.sent_day,
        flags={flag.lower() for flag in message.flags or ()},
        fields=read_header_fields(raw),
        has_attachments=message.has_attachments,
    )
