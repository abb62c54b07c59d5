"""Message ids: as people give them, and one of our own for a message that has none of its own. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from worker.mail.message.parse import normalize_message_id

_OWN = re.compile(r"imap:(\d{1,10})\.(\d{1,10})", re.ASCII)
# RFC 9051, 9: a UID has 32 bits and is not 0. A server refuses the whole command otherwise.
_HIGHEST_NUMBER = 2**32 - 1
_PLAIN_RUN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class OwnId:
    """`imap:<uidvalidity>.<uid>`: one message of one folder, until the server numbers it anew.

    A message whose Message-ID field has this form is shown by its own id, so that the form never means
    anything else.
    """

    uid_validity: int
    uid: int

    def __str__(self) -> str:
        return f"imap:{self.uid_validity}.{self.uid}"


def read_own_id(text: str) -> OwnId | None:
    """Return the own id that a text is, or None."""
    match = _OWN.fullmatch(normalize_message_id(text))
    if match is None or not 1 <= int(match[2]) <= _HIGHEST_NUMBER:
        return None
    return OwnId(int(match[1]), int(match[2]))


def is_same_id(one: str, other: str | None) -> bool:
    """Tell whether two ids are the same but for brackets, comments and folding; letter case matters."""
    return other is not None and normalize_message_id(one) == normalize_message_id(other)


def distinct_ids(message_ids: Mapping[int, str | None], uid_validity: int) -> dict[int, str]:
    """Return an id for each UID that names it alone among these: its Message-ID, or else its own id."""
    normalized = {uid: normalize_message_id(text) for uid, text in message_ids.items() if text}
    counts = Counter(normalized.values())
    return {
        uid: text
        if text and counts[normalized[uid]] == 1 and read_own_id(text) is None
        else str(OwnId(uid_validity, uid))
        for uid, text in message_ids.items()
    }


def search_texts(message_id: str) -> tuple[str, ...]:
    """Return what to look for in Message-ID fields, best first; the last finds most, and none finds nothing.

    Servers find parts of a field and ignore letter case, so hits must be compared. With the brackets
    they are few; without them, fields that lack them are found too. An id that was folded is looked for
    whole, as it ought to be and as it was written, and only then by its longest part. Of an id that is
    not plain ASCII just that part is looked for: no charset can be in the way then.
    """
    inner = normalize_message_id(message_id)
    written = " ".join(message_id.split()).strip("<>")
    runs = _PLAIN_RUN.findall(written)
    if not inner or not runs:
        return ()
    longest: str = max(runs, key=len)
    if longest == inner:
        return (f"<{inner}>", inner)
    return (f"<{inner}>", inner, written, longest) if "".join(runs) == inner else (longest,)
