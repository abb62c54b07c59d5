"""Finding messages by their ids in the folders of one account. It blocks: use it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.errors import MessageIdAmbiguous, MessageNotFound, ServerRefused
from worker.mail.account import Account
from worker.mail.imap.arrangement import Arrangements
from worker.mail.imap.folders import ImapFolders
from worker.mail.imap.ids import OwnId, is_same_id, read_own_id, search_texts
from worker.mail.imap.memory import FolderKey, ImapMemory
from worker.mail.imap.query import can_save, hits_of
from worker.mail.imap.responses import Fetched, Reply, format_set, header_fields
from worker.mail.imap.search import Part, astring, command_chunks
from worker.mail.imap.session import ImapSession, SelectedFolder
from worker.mail.message.parse import parse_headers

# RFC 2683, 3.2.1.5: a longer command line is not taken by every server.
_LONGEST_SET = 7000
_FINDING = "find the message"
_ID = header_fields("MESSAGE-ID")
# Hits of a text that is not an id in brackets; more of them say that it is no id at all.
_MOST_DOUBTFUL_HITS = 1000


@dataclass(frozen=True, slots=True)
class ImapMailbox:
    """One account as seen through one session, with what is remembered of it."""

    account: Account
    session: ImapSession
    folders: ImapFolders
    memory: ImapMemory
    arrangements: Arrangements = field(default_factory=Arrangements)

    def arranged(self, order: Hashable, ask: Callable[[], list[int]]) -> list[int]:
        """Return UIDs in an order, which is asked for only if the folder has changed since it was last.

        `ask` sees to it that the answer is current.
        """
        if self.arrangements.has(order, self.session.changes):
            self.session.ensure_current()
        return self.arrangements.arranged(order, lambda: self.session.changes, ask)

    def fetch(self, uids: Iterable[int], items: str, *, doing: str) -> list[Fetched]:
        """Fetch items of messages, in one command where the list of UIDs is not too long for that."""
        messages: list[Fetched] = []
        self.fetch_each(uids, items, messages.append, doing=doing)
        return messages

    def fetch_each(
        self,
        uids: Iterable[int],
        items: str,
        keep: Callable[[Fetched], None],
        *,
        doing: str,
        is_saved: bool = False,
    ) -> None:
        """Fetch items of messages and hand each one over as it comes.

        `is_saved`: the server has them as its last search result, so that any number is one command.
        """
        uid_sets = list(_sets(uids))
        for uid_set in ["$"] if is_saved and len(uid_sets) > 1 else uid_sets:
            self.session.fetch(uid_set, items, doing=doing, keep=keep)

    def find(self, folder: SelectedFolder, message_id: str) -> list[int]:
        """Return the UIDs of messages with exactly this id, lowest first; raises MessageNotFound.

        One may be gone by now; one that has come by now is found if no other is.
        """
        own = read_own_id(message_id)
        if own is not None:
            return self._find_own(folder, own)
        found = self._search(folder, message_id)
        if not found and not self.session.is_current:
            self.session.refresh()
            found = self._search(folder, message_id)
        if not found:
            raise self.not_found(folder.name, message_id)
        return found

    def find_current(self, folder: SelectedFolder, message_id: str) -> list[int]:
        """Return the UIDs of all messages with this id that there are now; raises MessageNotFound.

        What the server finds alone is not compared, and one of our own ids not looked for: for who does so
        when it is read.
        """
        own = read_own_id(message_id)
        if own is None:
            for text in search_texts(message_id):
                chunks = command_chunks([b"UID SEARCH", *_with_id(text)])
                reply = self.session.attempt_current(*chunks, doing=_FINDING, is_long=True)
                hits = _hits(self.session.require(reply, _FINDING), text)
                found = hits if len(hits) == 1 else self._exact(folder, hits, message_id, {})
                if found:
                    return found
        elif own.uid_validity == folder.uid_validity:
            self.session.ensure_current()
            return [own.uid]
        raise self.not_found(folder.name, message_id)

    def find_one(self, folder: SelectedFolder, message_id: str) -> int:
        """Return the UID of the message; raises MessageIdAmbiguous, which names ids that tell them apart."""
        try:
            uids = self.find(folder, message_id)
        except ServerRefused:  # GreenMail for one, of a message that goes away between two commands
            self.session.refresh()
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

    def _find_own(self, folder: SelectedFolder, own: OwnId) -> list[int]:
        if own.uid_validity == folder.uid_validity:
            self.session.ensure_current()  # Dovecot for one answers for what others have removed by then
            if self.fetch([own.uid], "RFC822.SIZE", doing=_FINDING):
                return [own.uid]
        raise self.not_found(folder.name, str(own))

    def _search(self, folder: SelectedFolder, message_id: str) -> list[int]:
        for text in search_texts(message_id):
            hits, ids = self._search_text(text)
            exact = self._exact(folder, hits, message_id, ids)
            if exact or not self.session.is_current:
                return exact
        return []

    def _search_text(self, text: str) -> tuple[list[int], dict[int, str | None]]:
        """Return the UIDs of messages with a text in their id, and ids of them that came with the answer."""
        ids: dict[int, str | None] = {}
        chunks = command_chunks(_with_id(text))
        # Without brackets a text may be in any number of ids.
        if len(chunks) == 1 and text.startswith("<") and can_save(self.session):

            def keep(message: Fetched) -> None:
                ids[message.uid] = parse_headers(message.section or b"").message_id

            reply = self.session.search_and_fetch(chunks[0], _ID, doing=_FINDING, keep=keep)
        else:
            chunks[0] = b"UID SEARCH " + chunks[0]
            reply = self.session.command(*chunks, doing=_FINDING, is_long=True)
        return _hits(reply, text), ids

    def _exact(
        self, folder: SelectedFolder, hits: Sequence[int], message_id: str, ids: Mapping[int, str | None]
    ) -> list[int]:
        """Return those of the hits that have exactly this id: servers also find what is only similar."""
        known = {**ids, **self._message_ids(folder, [uid for uid in hits if uid not in ids])}
        return [uid for uid in hits if is_same_id(message_id, known.get(uid))]

    def _message_ids(self, folder: SelectedFolder, uids: Sequence[int]) -> dict[int, str | None]:
        """Return Message-IDs, from memory or from the server."""
        key = FolderKey.of(self.account, folder)
        known = self.memory.message_ids(key, uids)
        missing = [uid for uid in uids if uid not in known]
        fetched = {
            message.uid: parse_headers(message.section or b"").message_id
            for message in self.fetch(missing, _ID, doing="compare the ids of messages")
        }
        self.memory.keep_message_ids(key, fetched.items())
        return known | fetched


def _sets(uids: Iterable[int]) -> Iterable[str]:
    """Yield UIDs as sequence sets, each short enough for a command."""
    text = format_set(uids)
    while len(text) > _LONGEST_SET:
        end = text.rindex(",", 0, _LONGEST_SET)
        yield text[:end]
        text = text[end + 1 :]
    if text:
        yield text


def _with_id(text: str) -> list[Part]:
    return [b"HEADER Message-ID", astring(text)]


def _hits(reply: Reply, text: str) -> list[int]:
    hits = hits_of(reply).uids
    return hits if text.startswith("<") else hits[-_MOST_DOUBTFUL_HITS:]
