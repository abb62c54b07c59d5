"""Finding and fetching messages in one account's folders. It blocks: use it in a thread."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from imap_tools import AND, H

from worker.errors import MessageIdAmbiguous, MessageNotFound, ServerRefused
from worker.mail.account import Account
from worker.mail.imap.criteria import with_literals
from worker.mail.imap.folders import ImapFolders, SelectedFolder
from worker.mail.imap.ids import OwnId, is_same_id, read_own_id, search_texts
from worker.mail.imap.limits import HIT, LIST_ROW, STRUCTURES
from worker.mail.imap.replies import Fetched, Reply, format_set, header_fields, read_fetched
from worker.mail.imap.session import ImapSession
from worker.mail.imap.sort_keys import SortKeyMemory
from worker.mail.message.parse import parse_headers

_LONGEST_SET = 7000  # RFC 2683, 3.2.1.5: not every server takes a longer command line
# imaplib collects the whole answer to a command.
_MOST_AT_ONCE, _OCTETS_AT_ONCE = 5000, 64 * 1024 * 1024
_MOST_CANDIDATES = 1000  # more messages that may have an id say that it is none
_STRUCTURE = "BODYSTRUCTURE "
_FINDING = "find the message"
_ID = header_fields("MESSAGE-ID")


@dataclass(frozen=True, slots=True)
class ImapMailbox:
    """One account as seen through one session.

    `has_structures`: whether structures of messages (BODYSTRUCTURE) are asked for; `on_structure` is called
    before that.
    """

    account: Account
    session: ImapSession
    folders: ImapFolders
    sort_keys: SortKeyMemory
    has_structures: bool = True
    on_structure: Callable[[], None] = lambda: None

    def fetch(self, uids: Iterable[int], items: str, doing: str, octets: int = LIST_ROW) -> Iterator[Fetched]:
        """Fetch items of messages, `octets` of each at most, in as few commands as is safe."""
        remaining = iter(sorted(uids))
        count = max(1, min(_MOST_AT_ONCE, _OCTETS_AT_ONCE // octets))
        while batch := list(itertools.islice(remaining, count)):
            text = format_set(batch)
            while text:
                end = text.rindex(",", 0, _LONGEST_SET) if len(text) > _LONGEST_SET else len(text)
                yield from self.fetch_set(text[:end], items, doing, octets * len(batch))
                text = text[end + 1 :]

    def fetch_set(self, uid_set: str, items: str, doing: str, octets: int) -> Iterator[Fetched]:
        """Fetch items of the messages of a sequence set, `octets` of all together at most."""
        without = items.removeprefix(_STRUCTURE)
        reply = None
        if without != items and self.has_structures:
            self.on_structure()
            reply = self._attempt_fetch(uid_set, items, doing, octets + STRUCTURES)
        if reply is None or not reply.is_ok:  # a server may refuse the structure of a message
            reply = self._attempt_fetch(uid_set, without, doing, octets)
        reply = self.session.require(reply, doing)
        with self.session.understood(doing):
            yield from read_fetched(reply.data)

    def _attempt_fetch(self, uid_set: str, items: str, doing: str, octets: int) -> Reply:
        return self.session.attempt_uid(doing, "FETCH", uid_set, f"({items})", octets=octets)

    def attempt_search(self, query: str, doing: str, charset: str | None = None) -> Reply:
        """Search the selected folder and return the reply, refusals too: see `ImapSession.hits`."""
        keys, *literals = with_literals(query, charset or "ascii")
        if literals:
            self.session.client.send_literals(*literals)
        arguments = ("CHARSET", charset, keys) if charset else (keys,)
        octets = HIT * self.session.most_hits
        return self.session.attempt_uid(doing, "SEARCH", *arguments, octets=octets)

    def search(self, query: str, doing: str) -> array[int]:
        """Return the UIDs of what is found in the selected folder."""
        return self.session.hits(self.attempt_search(query, doing), doing)

    def find_one(self, folder: SelectedFolder, message_id: str) -> int:
        """Return the UID of the message; raises MessageIdAmbiguous, which names ids that tell them apart."""
        try:
            uids = self.find(folder, message_id)
        except ServerRefused:  # GreenMail for one, of a message that goes away between two commands
            self.session.ensure_current()
            uids = self.find(folder, message_id)
        if len(uids) == 1:
            return uids[0]
        candidates = [str(OwnId(folder.uid_validity, uid)) for uid in uids]
        raise MessageIdAmbiguous(
            f"{len(uids)} messages in {folder.name} at {self.session.server} have the id {message_id};"
            f" use one of {', '.join(candidates)}.",
            server=self.session.server,
            messageId=message_id,
            candidates=candidates,
        )

    def find(self, folder: SelectedFolder, message_id: str) -> list[int]:
        """Return the UIDs of messages with exactly this id, lowest first; raises MessageNotFound.

        One may be gone by now; one that has come by now is found if no other is.
        """
        is_own = read_own_id(message_id) is not None
        for _ in range(1 if self.session.is_current else 2):
            candidates = self.candidates(folder, message_id)
            found = list(self.fetch(candidates, "RFC822.SIZE" if is_own else _ID, _FINDING))
            exact = [
                each.uid
                for each in found
                if is_own or is_same_id(message_id, parse_headers(each.section or b"").message_id)
            ]
            if exact:
                return sorted(exact)
            self.session.ensure_current()
        raise self.not_found(folder.name, message_id)

    def candidates(self, folder: SelectedFolder, message_id: str) -> list[int]:
        """Return the UIDs of messages that may have this id, lowest first: servers find similar ones too."""
        own = read_own_id(message_id)
        if own is not None:
            self.session.ensure_current()  # Dovecot for one answers for what others have removed by then
            return [own.uid] if own.uid_validity == folder.uid_validity else []
        for text in search_texts(message_id):
            if hits := self.search(str(AND(header=H("Message-ID", text))), _FINDING):
                return sorted(hits)[-_MOST_CANDIDATES:]
        return []

    def not_found(self, folder_name: str, message_id: str) -> MessageNotFound:
        """Return the error for an id that no message of the folder has."""
        server = self.session.server
        return MessageNotFound(
            f"There is no message {message_id} in {folder_name} at {server}; somebody may have moved or"
            " deleted it.",
            server=server,
            messageId=message_id,
            folder=folder_name,
        )
