"""One visit to a POP3 mailbox: its emails by number and by id. It blocks: use it in a thread."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from worker.errors import (
    ConnectionFailed,
    MessageIdAmbiguous,
    MessageNotFound,
    ProtocolViolation,
    ResultTooLarge,
    ServerRefused,
)
from worker.mail.message.parse import normalize_message_id, parse_email
from worker.mail.pop3.ids import WantedId, read_id
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.memory import KnownEmail, MailboxKey, MailboxMemory, read_known_email
from worker.mail.pop3.session import Pop3Session
from worker.models.email import ReadEmail

_HEADERS_AT_ONCE = 64
_MOST_CANDIDATES = 20


@dataclass(eq=False)
class Pop3Mailbox:
    """The emails of one session, by numbers that are valid only within it.

    `sizes`: the octets of each email by its number; `uids`: its unique id (UIDL). If the server gives none,
    a digest of the header section takes its place in ids of the worker's, and nothing is remembered of the
    email from one visit to the next.
    """

    key: MailboxKey
    session: Pop3Session
    memory: MailboxMemory
    limits: Pop3Limits
    sizes: Mapping[int, int] = field(default_factory=dict)
    uids: Mapping[int, str] = field(default_factory=dict)
    _known: dict[int, KnownEmail] = field(default_factory=dict)
    # By number, the Message-ID of each email whose header was fetched in this visit.
    _fetched: dict[int, str | None] = field(default_factory=dict)

    def look(self) -> None:
        """Ask what is there (UIDL, LIST), and see what of that is known already."""
        self.uids, self.sizes = self.session.look()
        self._known = self.memory.revisit(self.key, self.uids, self.sizes)

    def emails(self, numbers: Collection[int] | None = None) -> Iterator[tuple[int, KnownEmail]]:
        """Yield emails (all of them, or those of some numbers): what is remembered, then the rest.

        What another session has deleted meanwhile is left out. Exhaust it.
        """
        wanted = self.sizes if numbers is None else numbers
        known = {number: self._known[number] for number in wanted if number in self._known}
        yield from known.items()
        yield from self._fetch_headers([number for number in wanted if number not in known])

    def messages(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield whole messages one by one, without those that another session has deleted meanwhile."""
        self._check_octets(numbers)
        for number, raw in self.session.messages(numbers):
            if not raw and self.sizes[number]:
                server = self.session.server
                raise ServerRefused(f"{server} gave nothing for RETR {number}.", server=server)
            yield number, raw

    def read(self, message_id: str) -> tuple[int, ReadEmail, bytes]:
        """Return the email of that id, the newest if several have it: its number, the email, its octets.

        If the memory knows the id, there is no scan, and no listing if the email still has its number.
        """
        wanted = read_id(message_id)
        if not self._recall(wanted):
            self.look()
        while True:
            number = max(self._find(wanted, is_one_enough=True))
            found = list(self.messages([number]))
            if not found:
                raise self._not_found(wanted)
            raw = found[0][1]
            mail = parse_email(raw)
            if self._is_wanted(number, mail, wanted):
                return number, mail, raw
            self._correct(number)

    def find_only(self, message_id: str) -> int:
        """Return the number of the one email of that id, after a look at the email itself."""
        self.look()
        wanted = read_id(message_id)
        while True:
            numbers = self._find(wanted, is_one_enough=False)
            if len(numbers) > 1:
                raise self._ambiguous(wanted, numbers)
            if wanted.key is None or numbers[0] in self._fetched:
                return numbers[0]
            self._look_at(numbers[0])

    def confirm(self) -> None:
        """Forget the headers fetched in this visit if they may belong to other emails.

        Some servers (GreenMail) let another session's deletions change the numbers, which RFC 1939
        forbids; what follows a deleted email then moves up, so that one look at the last will do.
        """
        last = max(self._fetched, default=None)
        if last is not None and self.uids and self.session.uid_at(last) != self.uids.get(last):
            for number in self._fetched:
                self.memory.forget(self.key, number)

    def ids_of(self, emails: Sequence[KnownEmail]) -> list[str]:
        """Return each email's Message-ID, or an id of the worker's if it has none that is its own.

        Only what is known is counted: an email whose header nobody needed may have the same Message-ID.
        """
        known = {number: email.message_id_key for number, email in self._known.items()}
        count = Counter((known | self._fetched).values())
        return [
            email.message_id
            if email.message_id and email.has_foreign_id and count[email.message_id_key] <= 1
            else email.own_id
            for email in emails
        ]

    def delete_and_quit(self, number: int) -> None:
        """Delete an email and end the session; return when the server says that it has done so.

        DELE comes only here, since some servers (GreenMail) delete a marked message even if the connection
        breaks before QUIT. Some (again) let another session's deletions change the numbers, which RFC 1939
        forbids; so if there is a unique id, it is compared before the mark and after. A message that is gone
        already is deleted.
        """
        session, uid, current = self.session, self.uids.get(number), number
        if uid is not None and session.uid_at(number) != uid:
            current = next((other for other, its_uid in session.uids().items() if its_uid == uid), 0)
        if current:
            session.mark_deleted(current)
            # A server that keeps to the rules says nothing about a marked message.
            if uid is not None and session.uid_at(current, is_deleted=True) not in {uid, None}:
                session.unmark_all()
                session.cut()
                raise ConnectionFailed(
                    f"Another session changed the numbers of the messages at {session.server}; none was"
                    " deleted.",
                    server=session.server,
                )
        session.quit()
        self.memory.note_deletion(self.key, number)

    def _recall(self, wanted: WantedId) -> bool:
        """See the wanted email alone if it is known and still has its number, which one line tells."""
        known = self.memory.recall(self.key, wanted.names)
        if known is None or self.session.uid_at(known[0]) != known[1].uid:
            return False
        number, email = known
        self.uids, self.sizes, self._known = {number: email.uid}, {number: email.size}, {number: email}
        return True

    def _find(self, wanted: WantedId, *, is_one_enough: bool) -> list[int]:
        """Return the numbers of the emails of that id, at least one; the newest first."""
        if wanted.uid in self.uids.values():
            return [number for number, uid in self.uids.items() if uid == wanted.uid and number in self.sizes]
        matches = [number for number, email in self._known.items() if wanted.names(email)]
        seen = self._known.keys() | (self.uids.keys() if wanted.uid is not None else set())
        unknown = sorted(self.sizes.keys() - seen, reverse=True)
        for start in range(0, len(unknown), _HEADERS_AT_ONCE):
            if matches and is_one_enough:
                break
            batch = unknown[start : start + _HEADERS_AT_ONCE]
            matches += [number for number, email in self._fetch_headers(batch) if wanted.names(email)]
        if not matches:
            raise self._not_found(wanted)
        return matches

    def _is_wanted(self, number: int, mail: ReadEmail, wanted: WantedId) -> bool:
        if wanted.key is not None:
            return normalize_message_id(mail.message_id or "") == wanted.key
        return number not in self.uids or self.session.uid_at(number) == wanted.uid

    def _correct(self, number: int) -> None:
        """Find out why an email is not the one that its number promised.

        Either the numbers have changed, or its unique id meant another email in an earlier visit. Servers
        do both, against RFC 1939. The worker must only read or delete the email that has the id.
        """
        uids = self.uids
        self.look()
        if self.uids != uids:
            self._fetched.clear()
        elif number in self._fetched:
            server = self.session.server
            raise ProtocolViolation(f"{server} shows another header in TOP than in RETR.", server=server)
        else:
            self._look_at(number)

    def _look_at(self, number: int) -> None:
        """Fetch the header of an email that was known from an earlier visit."""
        if not list(self._fetch_headers([number])):
            self.sizes = {other: size for other, size in self.sizes.items() if other != number}
            self._known.pop(number, None)

    def _fetch_headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, KnownEmail]]:
        for number, block in self.session.headers(numbers):
            uid = self.uids.get(number) or _digest(block)
            email = read_known_email(block, uid=uid, size=self.sizes[number])
            self._fetched[number] = email.message_id_key
            self._known.pop(number, None)
            if self.memory.remember(self.key, number, email):
                self._known[number] = email
            yield number, email

    def _check_octets(self, numbers: Sequence[int]) -> None:
        sizes = [self.sizes[number] for number in numbers]
        for size, limit in (
            (max(sizes, default=0), self.limits.max_message_bytes),
            (sum(sizes), self.limits.max_operation_bytes),
        ):
            if size > limit:
                raise ResultTooLarge(
                    f"{size} octets would have to be read at {self.session.server}; at most {limit} are.",
                    bytes=size,
                    limit=limit,
                )

    def _not_found(self, wanted: WantedId) -> MessageNotFound:
        server = self.session.server
        return MessageNotFound(
            f"There is no message with the id {wanted.text} in the mailbox at {server}.",
            messageId=wanted.text,
            server=server,
        )

    def _ambiguous(self, wanted: WantedId, numbers: Sequence[int]) -> MessageIdAmbiguous:
        emails = self.emails(sorted(numbers)[:_MOST_CANDIDATES])
        candidates = list(dict.fromkeys(email.own_id for _, email in emails))
        is_choice = len(candidates) > 1
        advice = f"use one of {', '.join(candidates)}" if is_choice else "nothing tells them apart"
        return MessageIdAmbiguous(
            f"{len(numbers)} messages at {self.session.server} have the id {wanted.text}; {advice}.",
            messageId=wanted.text,
            candidates=candidates,
            server=self.session.server,
        )


def _digest(header_block: bytes) -> str:
    headers = header_block.partition(b"\r\n\r\n")[0]
    return f"digest-{hashlib.sha256(headers).hexdigest()[:40]}"
