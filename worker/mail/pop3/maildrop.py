"""One visit to a POP3 maildrop: its mails by number, by id, and by what they say."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TypeVar

from worker.errors import MessageIdAmbiguous, MessageNotFound, ProtocolViolation, ResultTooLarge
from worker.mail.message.parse import ParsedMail, normalize_message_id, parse_mail
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.maildrop_ids import WantedId, has_foreign_id, own_id, read_id
from worker.mail.pop3.maildrop_memory import KnownMail, MaildropKey, MaildropMemory, read_known_mail
from worker.mail.pop3.session import Pop3Session
from worker.mail.pop3.threads import Pop3Threads

_SMALLEST_BATCH = 64
_LARGEST_BATCH = 1024
_MAILS_IN_A_BATCH = 16
_MOST_CANDIDATES = 20

T = TypeVar("T")


class Maildrop:
    """The mails of one session, by numbers that hold within it alone.

    `sizes`: the octets of each mail by its number; `uids`: its unique id (UIDL). Where the server gives
    none, `uids` is empty, a digest of the header section takes their place in ids of ours, and nothing is
    remembered from one visit to the next.
    """

    def __init__(
        self,
        key: MaildropKey,
        session: Pop3Session,
        threads: Pop3Threads,
        memory: MaildropMemory,
        limits: Pop3Limits,
    ) -> None:
        self.sizes: Mapping[int, int] = {}
        self.uids: Mapping[int, str] = {}
        self._key = key
        self._session = session
        self._threads = threads
        self._memory = memory
        self._limits = limits
        self._known: dict[int, KnownMail] = {}
        # By number, the Message-ID of each mail whose header was fetched in this visit.
        self._fetched: dict[int, str | None] = {}

    async def look(self) -> None:
        """Ask what is there (UIDL, LIST), and see what of that is known already."""
        listings = self._memory.listings(self._key)
        uids, self.sizes = await self._run(partial(self._session.look, listings))
        self.uids = uids or {}
        self._known = self._memory.revisit(self._key, self.uids, self.sizes)

    async def mails(self, numbers: Collection[int] | None = None) -> AsyncIterator[Mapping[int, KnownMail]]:
        """Yield mails (all of them, or those of some numbers) by number: what is remembered, then the rest.

        That comes in batches, as its headers are fetched. What another session has deleted meanwhile is
        left out.
        """
        known = self._known
        if numbers is None:
            numbers = self.sizes
        else:
            known = {number: known[number] for number in numbers if number in known}
        unknown = [number for number in numbers if number not in known]
        yield known
        for batch in _batches(unknown):
            yield dict(await self._fetch_headers(batch))

    async def examine(
        self, numbers: Sequence[int], judge: Callable[[bytes], T]
    ) -> AsyncIterator[tuple[int, T]]:
        """Yield what `judge`, called in a thread, makes of each whole mail, one after the other."""
        for number in numbers:
            self._check_size(number)
        for start in range(0, len(numbers), _MAILS_IN_A_BATCH):
            batch = numbers[start : start + _MAILS_IN_A_BATCH]
            for judgement in await self._run(partial(self._judge, batch, judge)):
                yield judgement

    async def read(self, message_id: str) -> tuple[int, ParsedMail, bytes]:
        """Return the mail of that id, the newest where several have it: its number, the mail, its octets.

        Where the memory knows the id, there is no scan.
        """
        wanted = read_id(message_id)
        while True:
            number = max(await self._find(wanted, is_one_enough=True))
            self._check_size(number)
            judged = await self._run(partial(self._judge, [number], _parse_and_keep))
            if not judged:
                raise self._not_found(wanted)
            _, (mail, raw) = judged[0]
            if await self._is_wanted(number, mail, wanted):
                return number, mail, raw
            await self._correct(number)

    async def find_only(self, message_id: str) -> int:
        """Return the number of the one mail of that id, after a look at the mail itself."""
        wanted = read_id(message_id)
        while True:
            numbers = await self._find(wanted, is_one_enough=False)
            if len(numbers) > 1:
                raise await self._ambiguous(wanted, numbers)
            if wanted.key is None or numbers[0] in self._fetched:
                return numbers[0]
            await self._look_at(numbers[0])

    async def confirm(self) -> None:
        """Forget the headers fetched in this visit if they may belong to other mails.

        Some servers (GreenMail) let another session's deletions change the numbers, which RFC 1939
        forbids; what follows a deleted mail then moves up, so that one look at the last will do.
        """
        if self._fetched and self.uids:
            last = max(self._fetched)
            if await self._run(partial(self._session.uid_at, last)) != self.uids.get(last):
                for number in self._fetched:
                    self._memory.forget(self._key, self._memory_id(number))

    def ids_of(self, mails: Sequence[KnownMail]) -> list[str]:
        """Return each mail's Message-ID, or an id of ours where it has none that is its own.

        Only what is known is counted: a mail whose header nobody needed may have the same Message-ID.
        """
        wanted = {mail.message_id_key for mail in mails}
        known = map(attrgetter("message_id_key"), self._known.values())
        fetched = [key for number, key in self._fetched.items() if number not in self._known]
        count = Counter(filter(wanted.__contains__, chain(known, fetched)))
        return [
            mail.message_id
            if mail.message_id and has_foreign_id(mail) and count[mail.message_id_key] <= 1
            else own_id(mail)
            for mail in mails
        ]

    async def _find(self, wanted: WantedId, *, is_one_enough: bool) -> list[int]:
        """Return the numbers of the mails of that id, at least one; look at those not known, newest first."""
        if wanted.uid is not None and self.uids:
            matches = [number for number in self.sizes if self.uids.get(number) == wanted.uid]
        else:
            matches = [number for number, mail in self._known.items() if wanted.names(mail)]
            if not (matches and is_one_enough):
                matches += await self._scan(wanted, is_one_enough=is_one_enough)
        if not matches:
            raise self._not_found(wanted)
        return matches

    async def _scan(self, wanted: WantedId, *, is_one_enough: bool) -> list[int]:
        matches: list[int] = []
        unknown = [number for number in sorted(self.sizes, reverse=True) if number not in self._known]
        for batch in _batches(unknown):
            matches += [number for number, mail in await self._fetch_headers(batch) if wanted.names(mail)]
            if matches and is_one_enough:
                break
        return matches

    async def _is_wanted(self, number: int, mail: ParsedMail, wanted: WantedId) -> bool:
        if wanted.key is not None:
            return normalize_message_id(mail.summary.message_id or "") == wanted.key
        return not self.uids or await self._run(partial(self._session.uid_at, number)) == wanted.uid

    async def _correct(self, number: int) -> None:
        """Find out why a mail is not the one that its number promised.

        Either the numbers have changed, or its unique id meant another mail in an earlier visit. Servers
        do both, against RFC 1939, and what is read or deleted by an id must be what has that id.
        """
        uids = self.uids
        await self.look()
        if self.uids != uids:
            self._fetched.clear()
        elif number in self._fetched:
            server = self._session.server
            raise ProtocolViolation(f"{server} shows another header in TOP than in RETR.", server=server)
        else:
            await self._look_at(number)

    async def _look_at(self, number: int) -> None:
        """Fetch the header of a mail that was known from an earlier visit."""
        if not await self._fetch_headers([number]):
            self.sizes = {other: size for other, size in self.sizes.items() if other != number}
            self._known.pop(number, None)

    async def _fetch_headers(self, numbers: Sequence[int]) -> list[tuple[int, KnownMail]]:
        found = await self._run(partial(self._read_headers, numbers))
        for number, mail in found:
            self._fetched[number] = mail.message_id_key
            self._known.pop(number, None)
            if self._memory.remember(self._key, self._memory_id(number), mail):
                self._known[number] = mail
        return found

    def _read_headers(self, numbers: Sequence[int]) -> list[tuple[int, KnownMail]]:
        return [
            (number, read_known_mail(block, uid=self._uid_of(number, block), size=self.sizes[number]))
            for number, block in self._session.headers(numbers)
            if block is not None
        ]

    def _judge(self, numbers: Sequence[int], judge: Callable[[bytes], T]) -> list[tuple[int, T]]:
        return [(number, judge(raw)) for number, raw in self._session.messages(numbers) if raw is not None]

    def _uid_of(self, number: int, header_block: bytes) -> str:
        headers = header_block.partition(b"\r\n\r\n")[0]
        return self.uids.get(number) or f"digest-{hashlib.sha256(headers).hexdigest()[:40]}"

    def _memory_id(self, number: int) -> str:
        """Return the unique id, or what no unique id can be and the next visit will therefore forget."""
        return self.uids.get(number) or f" {number}"

    def _check_size(self, number: int) -> None:
        size, limit = self.sizes[number], self._limits.max_message_bytes
        if size > limit:
            raise ResultTooLarge(
                f"A message at {self._session.server} has {size} octets; at most {limit} are read.",
                bytes=size,
                limit=limit,
            )

    def _not_found(self, wanted: WantedId) -> MessageNotFound:
        return MessageNotFound(
            f"There is no message with the id {wanted.text} in the mailbox at {self._session.server}.",
            messageId=wanted.text,
            server=self._session.server,
        )

    async def _ambiguous(self, wanted: WantedId, numbers: Sequence[int]) -> MessageIdAmbiguous:
        mails = self.mails(sorted(numbers)[:_MOST_CANDIDATES])
        candidates = list(dict.fromkeys([own_id(mail) async for batch in mails for mail in batch.values()]))
        is_choice = len(candidates) > 1
        advice = f"use one of {', '.join(candidates)}" if is_choice else "nothing tells them apart"
        return MessageIdAmbiguous(
            f"{len(numbers)} messages at {self._session.server} have the id {wanted.text}; {advice}.",
            messageId=wanted.text,
            candidates=candidates,
            server=self._session.server,
        )

    async def _run(self, step: Callable[[], T]) -> T:
        return await self._threads.run(self._session, step)


def _parse_and_keep(raw: bytes) -> tuple[ParsedMail, bytes]:
    return parse_mail(raw), raw


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut into pieces, small ones first: what is sought is most often among the newest."""
    start, size = 0, _SMALLEST_BATCH
    while start < len(numbers):
        yield numbers[start : start + size]
        start += size
        size = min(size * 2, _LARGEST_BATCH)
