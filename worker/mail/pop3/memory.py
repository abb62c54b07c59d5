"""What is remembered of the emails in a mailbox, so that their headers are fetched once."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter, itemgetter

from worker.mail.account import Account
from worker.mail.message.parse import normalize_message_id, parse_headers

# An entry's own objects in addition to its texts: the dataclass, three dates, its places in two dictionaries.
_ENTRY_BYTES = 480
OWN_PREFIX = "pop3:"
_texts_of = attrgetter("uid", "message_id", "message_id_key", "from_address", "from_text", "subject")


@dataclass(frozen=True, slots=True)
class KnownEmail:
    """What lists and searches show of an email; `size` in octets, `received_date` and `sent_date` in UTC.

    `message_id` is as it stands in the header; `message_id_key` is the form to compare, None if the email
    has no Message-ID.
    """

    uid: str
    size: int
    message_id: str | None
    message_id_key: str | None
    from_address: str | None
    from_text: str
    subject: str | None
    received_date: datetime | None
    sent_date: datetime | None
    sent_day: date | None

    @property
    def own_id(self) -> str:
        """The worker's own id for it."""
        return f"{OWN_PREFIX}{self.uid}"

    @property
    def has_foreign_id(self) -> bool:
        """Whether it has a Message-ID that does not look like an id made by the worker."""
        return self.message_id_key is not None and not self.message_id_key.startswith(OWN_PREFIX)

    @property
    def bytes(self) -> int:
        """What it takes in memory, more or less."""
        return _ENTRY_BYTES + sum(map(sys.getsizeof, _texts_of(self)))


def read_known_email(header_block: bytes, *, uid: str, size: int) -> KnownEmail:
    """Read what lists and searches show from a header section."""
    headers = parse_headers(header_block)
    return KnownEmail(
        uid=uid,
        size=size,
        message_id=headers.message_id,
        message_id_key=normalize_message_id(headers.message_id) if headers.message_id else None,
        from_address=headers.from_address,
        from_text=headers.from_text,
        subject=headers.subject,
        received_date=headers.received_date or headers.sent_date,
        sent_date=headers.sent_date,
        sent_day=headers.sent_day,
    )


MailboxKey = tuple[str, int, str | None]


def mailbox_key(account: Account) -> MailboxKey:
    """Return which mailbox it is, independent of the password and the encryption of the connection."""
    return account.host.lower(), account.port, account.username


class MailboxMemory:
    """The known emails of all mailboxes, each by its number as of the last visit, within a number of bytes.

    Mailboxes used longest ago are forgotten first. A mailbox that does not fit alone keeps what it has:
    dropping its own emails for others of it would leave nothing to find at the next pass. Any thread may
    call its methods.
    """

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._mailboxes: OrderedDict[MailboxKey, dict[int, KnownEmail]] = OrderedDict()
        self._lock = threading.RLock()

    def revisit(
        self, key: MailboxKey, uids: Mapping[int, str], sizes: Mapping[int, int]
    ) -> dict[int, KnownEmail]:
        """Return what is known of a mailbox's emails, by their numbers now, and forget the rest.

        Nothing is known of an email whose size has changed, since servers reuse unique ids (UIDL), nor of
        more than one of those that share an id.
        """
        with self._lock:
            former = {email.uid: email for email in self._drop(key).values()}
            numbers = {uid: number for number, uid in uids.items() if uid in former}
            known = {
                number: former[uid]
                for uid, number in numbers.items()
                if former[uid].size == sizes.get(number)
            }
            if known:
                self._mailboxes[key] = known
            self.bytes += _bytes_of(known)
            return known.copy()

    def recall(
        self, key: MailboxKey, is_wanted: Callable[[KnownEmail], bool]
    ) -> tuple[int, KnownEmail] | None:
        """Return the newest wanted email of a mailbox, with the number that it should have now."""
        with self._lock:
            numbered = self._mailboxes.get(key, {}).items()
            wanted = ((number, email) for number, email in numbered if is_wanted(email))
            return max(wanted, default=None, key=itemgetter(0))

    def remember(self, key: MailboxKey, number: int, email: KnownEmail) -> bool:
        """Keep an email if space can be found; tell whether it was kept."""
        with self._lock:
            self.forget(key, number)
            size = email.bytes
            for other in list(self._mailboxes):
                if self.bytes + size > self._max_bytes and other != key:
                    self._drop(other)
            if self.bytes + size > self._max_bytes:
                return False
            self._mailboxes.setdefault(key, {})[number] = email
            self.bytes += size
            return True

    def forget(self, key: MailboxKey, number: int) -> None:
        """Drop an email, if it is known."""
        with self._lock:
            emails = self._mailboxes.get(key, {})
            if email := emails.pop(number, None):
                self.bytes -= email.bytes
            if not emails:
                self._mailboxes.pop(key, None)

    def note_deletion(self, key: MailboxKey, number: int) -> None:
        """Forget an email that was deleted: those behind it have other numbers in the next visit."""
        with self._lock:
            self.forget(key, number)
            for other in sorted(self._mailboxes.get(key, {})):
                if other > number:
                    self._mailboxes[key][other - 1] = self._mailboxes[key].pop(other)

    def _drop(self, key: MailboxKey) -> dict[int, KnownEmail]:
        emails = self._mailboxes.pop(key, {})
        self.bytes -= _bytes_of(emails)
        return emails


def _bytes_of(emails: Mapping[int, KnownEmail]) -> int:
    return sum(email.bytes for email in emails.values())
