"""Searching here what a server refuses to search for. It blocks: use it in a thread.

Exchange knows no texts beyond ASCII, GreenMail nothing but whole addresses after FROM.
"""

from __future__ import annotations

from worker.errors import NotSupported, ResultTooLarge
from worker.mail.imap.criteria import ascii_part, to_query
from worker.mail.imap.limits import MOST_SEARCHED_HERE
from worker.mail.imap.mailbox import ImapMailbox
from worker.mail.imap.replies import header_fields
from worker.mail.local_search import body_values, decide, find_values
from worker.mail.message.parse import ParsedHeaders, parse_headers, searchable_texts
from worker.models.search import Criterion

_SEARCHING = "search the folder"
_HEAD = f"RFC822.SIZE {header_fields('FROM', 'SUBJECT')}"
_MOST_MESSAGES_WHOLE = 10  # in sizes of the largest message that is read


def search_here(mailbox: ImapMailbox, criterion: Criterion) -> list[int]:
    """Return the UIDs of messages that meet a criterion, of which the server may search the ASCII part.

    Raises NotSupported if more messages are left than are looked at, ResultTooLarge if too much of text is.
    """
    server = mailbox.session.server
    query = to_query(ascii_part(criterion))
    reply = mailbox.attempt_search(query, _SEARCHING)
    uids = mailbox.hits(reply, query, _SEARCHING) if reply.is_ok else mailbox.search("ALL", _SEARCHING)
    if len(uids) > MOST_SEARCHED_HERE:
        raise NotSupported(
            f"{server} refuses this search, and {len(uids)} messages are more than the {MOST_SEARCHED_HERE}"
            " that the worker searches itself; narrow the criteria.",
            server=server,
            extension="SEARCH",
        )
    found: list[int] = []
    undecided: dict[int, ParsedHeaders] = {}
    octets = 0
    for each in mailbox.fetch(uids, _HEAD, _SEARCHING):
        head = parse_headers(each.section or b"")
        verdict = decide(criterion, from_text=head.from_text, subject=head.subject)
        if verdict:
            found.append(each.uid)
        elif verdict is None:
            undecided[each.uid] = head
            octets += each.size or 0
    limit = _MOST_MESSAGES_WHOLE * mailbox.session.limits.max_message_bytes
    if octets > limit:
        text = f"{octets} octets would have to be read at {server}; at most {limit} are."
        raise ResultTooLarge(text, bytes=octets, limit=limit)
    values = body_values(criterion)
    for uid, head in undecided.items():
        whole = mailbox.fetch_whole(uid, _SEARCHING)
        bodies = find_values(values, searchable_texts(whole.section)) if whole and whole.section else ()
        if decide(criterion, from_text=head.from_text, subject=head.subject, found_in_body=bodies):
            found.append(uid)
    return found
