"""What is remembered of the mails in a maildrop, so that their headers are fetched once."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from worker.mail.account import Account
from worker.mail.message.parse import normalize_message_id, parse_headers

# An entry's own objects beside its texts: the dataclass, two dates, its place in the dictionary.
_ENTRY_BYTES = 320
_texts_of = attrgetter("uid", "message_id", "message_id_key", "from_address", "from_text", "subject")


@dataclass(frozen=True, slots=True)
class KnownMail:
    """What lists and searches show of a mail; `size` in octets, dates in UTC.

    `message_id` is as it stands in the header; `message_id_key` is the form to compare, None where the
    mail has no Message-ID.
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


def read_known_mail(header_block: bytes, *, uid: str, size: int) -> KnownMail:
    """Read what there is to know of a mail from its header section."""
    headers = parse_headers(header_block)
    return KnownMail(
        uid=uid,
        size=size,
        message_id=headers.message_id,
        message_id_key=normalize_message_id(headers.message_id) if headers.message_id else None,
        from_address=headers.from_address,
        from_text=headers.from_text,
        subject=headers.subject,
        received_date=headers.received_date or headers.sent_date,
        sent_date=headers.sent_date,
    )


@dataclass(frozen=True, slots=True)
class MaildropKey:
    """Which maildrop it is, whatever the password and the encryption of the way to it."""

    host: str
    port: int
    username: str | None


def maildrop_key(account: Account) -> MaildropKey:
    """Return the maildrop that an account opens."""
    return MaildropKey(account.host.lower(), account.port, account.username)


@dataclass(slots=True)
class _Shelf:
    mails: dict[str, KnownMail] = field(default_factory=dict)
    bytes: int = 0


class MaildropMemory:
    """The known mails of all maildrops by their unique ids (UIDL), within a number of bytes.

    Maildrops used longest ago are forgotten first. A maildrop that does not fit alone keeps what it has:
    dropping its own mails for others of it would leave nothing to find at the next pass.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shelves: OrderedDict[MaildropKey, _Shelf] = OrderedDict()
        self.bytes = 0

    def revisit(
        self, key: MaildropKey, uids: Mapping[int, str], sizes: Mapping[int, int]
    ) -> dict[int, KnownMail]:
        """Begin a visit to a maildrop: return what is known of its mails, by number; forget those that left.

        Nothing is known of a mail whose size is another than it was, since servers reuse ids.
        """
        shelf = self._shelves.setdefault(key, _Shelf())
        self._shelves.move_to_end(key)
        mails = shelf.mails
        known = {
            number: mail
            for number, uid in uids.items()
            if (mail := mails.get(uid)) is not None and mail.size == sizes.get(number)
        }
        if len(known) < len(mails):
            staying = set(uids.values())
            for uid in [uid for uid in mails if uid not in staying]:
                self.forget(key, uid)
        return known

    def remember(self, key: MaildropKey, uid: str, mail: KnownMail) -> bool:
        """Keep a mail, if there is room or can be; tell whether it was kept."""
        self.forget(key, uid)
        cost = _bytes_of(mail)
        shelf = self._shelves.setdefault(key, _Shelf())
        self._make_room(key, cost)
        if self.bytes + cost > self._max_bytes:
            return False
        shelf.mails[uid] = mail
        shelf.bytes += cost
        self.bytes += cost
        return True

    def forget(self, key: MaildropKey, uid: str) -> None:
        """Drop a mail, if it is known."""
        shelf = self._shelves.get(key)
        mail = shelf.mails.pop(uid, None) if shelf else None
        if shelf and mail:
            cost = _bytes_of(mail)
            shelf.bytes -= cost
            self.bytes -= cost

    def _make_room(self, key: MaildropKey, cost: int) -> None:
        for other in list(self._shelves):
            if self.bytes + cost <= self._max_bytes:
                return
            if other != key:
                self.bytes -= self._shelves.pop(other).bytes


def _bytes_of(mail: KnownMail) -> int:
    return _ENTRY_BYTES + sum(map(sys.getsizeof, _texts_of(mail)))
