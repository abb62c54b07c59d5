"""Finding and fetching messages in one account's folders. It blocks: use it in a thread."""

from __future__ import annotations

import itertools
import re
import threading
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from imap_tools import AND, H

from worker.errors import ConnectionFailed, MessageIdAmbiguous, MessageNotFound, ServerRefused
from worker.mail.account import Account
from worker.mail.imap.criteria import with_literals
from worker.mail.imap.errors import is_unexplained
from worker.mail.imap.folders import ImapFolders, SelectedFolder
from worker.mail.imap.ids import OwnId, is_same_id, read_own_id, search_texts
from worker.mail.imap.limits import HIT, LIST_ROW, MOST_SEARCHED_HERE, STRUCTURES
from worker.mail.imap.replies import (
    HIGHEST_UID,
    Fetched,
    Reply,
    UnreadableReply,
    format_set,
    header_fields,
    read_fetched,
    read_found,
    read_number,
    read_numbers,
)
from worker.mail.imap.session import ImapSession
from worker.mail.message.parse import parse_headers
from worker.mail.message.sort_keys import SortKeys
from worker.mail.refusals import reason_of
from worker.models.email import SortField
from worker.recent import Recent

_LONGEST_SET = 7000  # RFC 2683, 3.2.1.5: not every server takes a longer command line
# imaplib collects the whole answer to a command.
_MOST_AT_ONCE, _OCTETS_AT_ONCE = 5000, 64 * 1024 * 1024
_MOST_CANDIDATES = 1000  # more messages that may have an id say that it is none
_STRUCTURE = "BODYSTRUCTURE "
_ID = header_fields("MESSAGE-ID")
_WHOLE = "INTERNALDATE BODY.PEEK[]"  # PEEK: the message stays unread
_PARTIAL = re.compile(r"<0\.\d+>")
# Account, folder, its UIDVALIDITY: what is kept under it is worthless when that changes.
Place = tuple[Account, str, int]


class StructuresBroken(Exception):
    """The connection broke at a request for the structures of messages: GreenMail's does at odd ones."""


@dataclass(slots=True)
class DeletedFlags:
    """UIDs of one folder to be flagged as deleted again. The lock: one session at a time expunges there."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    uids: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ImapMailbox:
    """One account as seen through one session. UIDs are those of the selected folder.

    `sort_keys`: of the folders that were listed last, at servers without SORT. `deleted_flags`: what others
    had flagged where it is taken away meanwhile, also if the session that did it has broken.
    `has_structures`: whether structures of messages (BODYSTRUCTURE) are asked for; this may raise
    StructuresBroken.
    """

    session: ImapSession
    folders: ImapFolders
    sort_keys: Recent[tuple[Place, SortField], SortKeys]
    deleted_flags: Recent[Place, DeletedFlags]
    has_structures: bool

    @property
    def folder(self) -> SelectedFolder:
        """The selected folder."""
        return self.folders.selected

    @property
    def place(self) -> Place:
        """What is remembered of the selected folder is kept under this."""
        return self.session.account, self.folder.name, self.folder.uid_validity

    def fetch(self, uids: Iterable[int], items: str, octets: int = LIST_ROW) -> Iterator[Fetched]:
        """Fetch items of messages, `octets` of each at most, in as few commands as is safe."""
        remaining = iter(sorted(uids))
        count = max(1, min(_MOST_AT_ONCE, _OCTETS_AT_ONCE // octets))
        while batch := list(itertools.islice(remaining, count)):
            text = format_set(batch)
            while text:
                end = text.rindex(",", 0, _LONGEST_SET) if len(text) > _LONGEST_SET else len(text)
                yield from self.fetch_set(text[:end], items, octets * len(batch))
                text = text[end + 1 :]

    def fetch_set(self, uid_set: str, items: str, octets: int) -> Iterator[Fetched]:
        """Fetch items of the messages of a sequence set, `octets` of all together at most.

        Messages that are gone are left out, whether the server then says OK or NO (RFC 2180, 4.1); what a
        server leaves out for now is asked for again (RFC 9738).
        """
        rest: set[int] = set()
        while True:
            reply, found = self._ask(uid_set, items, octets)
            yield from found
            if reply.is_whole:
                return
            self.session.look_again()
            present = set(self.search(f"UID {uid_set}")).difference(each.uid for each in found)
            if not present:
                return
            if present == rest:
                raise self.session.refusal(reply)
            rest, uid_set = present, format_set(present)

    def fetch_whole(self, uid: int) -> Fetched | None:
        """Fetch a message with its octets; None if it is gone; raises ServerRefused if it is there."""
        reply, found = self._ask(str(uid), _WHOLE, self.session.limits.max_message_bytes)
        whole = next((each for each in found if each.uid == uid), None)
        if whole and whole.section:
            return whole
        size = self._size_of(uid)
        if size is None:
            return None
        if not reply.is_ok:
            raise self.session.refusal(reply)
        if whole and size == 0:
            return replace(whole, section=b"")
        server = self.session.server
        text = f"{server} has the message but does not give its content ({reason_of(reply.text)})."
        raise ServerRefused(text, server=server)

    def has(self, uid: int) -> bool:
        """Tell whether a message is still there."""
        return self._size_of(uid) is not None

    def _size_of(self, uid: int) -> int | None:
        self.session.look_again()
        return next((each.size or 0 for each in self.fetch([uid], "RFC822.SIZE")), None)

    def _ask(self, uid_set: str, items: str, octets: int) -> tuple[Reply, list[Fetched]]:
        """Send a FETCH; return how it ended, and the messages that came with it, also with a refusal.

        If the server refuses the structure of a message or a part of a section, or sends nothing, it is asked
        without.
        """
        session = self.session
        structure = (True, False) if self.has_structures and _STRUCTURE in items else (False,)
        partial = (True, False) if session.takes_partial and _PARTIAL.search(items) else (False,)
        for has_structure, has_partial in itertools.product(structure, partial):
            asked = items if has_structure else items.replace(_STRUCTURE, "")
            asked = asked if has_partial else _PARTIAL.sub("", asked)
            budget = octets + STRUCTURES * has_structure
            try:
                reply = session.attempt_uid("FETCH", uid_set, f"({asked})", octets=budget)
            except ConnectionFailed as error:
                if has_structure:
                    raise StructuresBroken from error
                raise
            pieces = reply.data or session.client.response("FETCH")[1]
            found = list(read_fetched(piece for piece in pieces if piece))
            has_sections = any(each.section for each in found)
            if has_sections and any(partial) and not has_partial:
                session.takes_partial = False
            if has_sections or (reply.is_ok and not has_partial):
                break
        return reply, found

    def search(self, query: str) -> array[int]:
        """Return the UIDs of what a search finds."""
        reply, uids = self.attempt_search(query)
        if not reply.is_ok:
            raise self.session.refusal(reply)
        return uids

    def attempt_search(self, query: str, charset: str | None = None) -> tuple[Reply, array[int]]:
        """Search; return how it ended, refusals too, and the UIDs of what was found.

        A server that looks at so many messages only, from the last one down, is asked on (RFC 9738).
        """
        session, uids = self.session, array("Q")
        lowest, limited = HIGHEST_UID, query
        while True:
            keys, *literals = with_literals(limited, charset or "ascii")
            if literals:
                session.client.send_literals(*literals)
            arguments = ("CHARSET", charset, keys) if charset else (keys,)
            reply = session.attempt_uid("SEARCH", *arguments, octets=HIT * session.most_hits)
            uids.extend(read_numbers(reply.data, session.most_hits - len(uids)))
            uids.extend(read_found(session.told("ESEARCH"), session.most_hits - len(uids)))
            if not session.exists and is_unexplained(reply):  # some servers refuse to search nothing
                reply = replace(reply, status="OK")
            if not reply.is_ok or reply.is_whole or lowest == 1:
                return reply, uids
            last, lowest = lowest, read_number(reply.code_arguments.rpartition(" ")[2])
            if not 1 <= lowest < last:
                raise UnreadableReply(reply.text)
            limited = f"UID 1:{max(1, lowest - 1)} {query}"

    def find_one(self, message_id: str) -> int:
        """Return the UID of the message; raises MessageIdAmbiguous, which names ids that tell them apart."""
        uids = self.find(message_id)
        if len(uids) == 1:
            return uids[0]
        candidates = [str(OwnId(self.folder.uid_validity, uid)) for uid in uids]
        raise MessageIdAmbiguous(
            f"{len(uids)} messages in {self.folder.name} at {self.session.server} have the id {message_id};"
            f" use one of {', '.join(candidates)}.",
            server=self.session.server,
            messageId=message_id,
            candidates=candidates,
        )

    def find(self, message_id: str) -> list[int]:
        """Return the UIDs of messages with exactly this id, lowest first; raises MessageNotFound.

        One may be gone by now; one that has come by now is found if no other is. If the server searches no
        header fields, as Yahoo, the newest messages are looked at.
        """
        is_own, server = read_own_id(message_id) is not None, self.session.server
        for _ in range(1 if self.session.is_current else 2):
            candidates = self.candidates(message_id)
            everything = sorted(self.search("ALL")) if candidates is None else []
            uids = candidates or everything[-MOST_SEARCHED_HERE:]
            found = self.fetch(uids, "RFC822.SIZE" if is_own else _ID)
            exact = [
                each.uid
                for each in found
                if is_own or is_same_id(message_id, parse_headers(each.section or b"").message_id)
            ]
            if exact:
                return sorted(exact)
            self.session.ensure_current()
        if len(everything) <= MOST_SEARCHED_HERE:
            raise self.not_found(self.folder.name, message_id)
        raise ServerRefused(
            f"{server} does not search by Message-ID, and none of the newest {MOST_SEARCHED_HERE} messages"
            " has this one.",
            server=server,
        )

    def candidates(self, message_id: str) -> list[int] | None:
        """Return the UIDs of messages that may have this id, lowest first: servers find similar ones too.

        None if the server refuses to search for it.
        """
        own = read_own_id(message_id)
        if own is not None:
            self.session.ensure_current()  # Dovecot for one answers for what others have removed by then
            return [own.uid] if own.uid_validity == self.folder.uid_validity else []
        for text in search_texts(message_id):
            reply, uids = self.attempt_search(str(AND(header=H("Message-ID", text))))
            if not reply.is_ok:
                return None
            if uids:
                return sorted(uids)[-_MOST_CANDIDATES:]
        return []

    def not_found(self, folder_name: str, message_id: str) -> MessageNotFound:
        """Return the error for an id that no message of the folder has."""
        server = self.session.server
        return MessageNotFound(
            f"There is no message {message_id} in {folder_name} at {server}; somebody or an earlier attempt"
            " of this job may have moved or deleted it.",
            server=server,
            messageId=message_id,
            folder=folder_name,
        )

    def refuse_read_only(self) -> None:
        """Raise ServerRefused if the account may only read the selected folder."""
        if self.folder.is_read_only:
            server = self.session.server
            text = f"{server} lets this account only read the folder {self.folder.name}."
            raise ServerRefused(text, server=server)
