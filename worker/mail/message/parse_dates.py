"""Dates of header fields, as moments in UTC: made plain here, then read by the standard library."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from worker.mail.message.parse_words import decode_words

# No date is longer; the limit keeps the patterns below quick.
_LONGEST = 500
_COMMENT = re.compile(r"\([^()]*\)")
_OPEN_COMMENT = re.compile(r"\(.*", re.DOTALL)
_QUOTES = re.compile("[)\"']")
_BLANKS = re.compile(r"\s(?=[:,])|(?<=:)\s(?=\d\d)")
_MOST_LEVELS = 5
# The standard library reads neither a leap second nor years of three digits (RFC 5322, 4.3).
_LEAP_SECOND = re.compile(r"(?<=:[0-5]\d:)60")
_YEAR_OF_THREE = re.compile(r"(?<=[^\W\d_][ -])1\d\d(?=\s)")
_TIME = r"(?:\d?\d)[:.]\d\d(?:[:.]\d\d)?"
_FRACTION = re.compile(rf"({_TIME})[.,]\d{{1,9}}(?!\d|[:.])")
_HALF_OF_DAY = re.compile(r"\b(\d?\d)([:.]\d\d(?:[:.]\d\d)?)\s?([ap])\.?m\b\.?", re.IGNORECASE)
# A zone behind the time: +01:00, GMT+1, UTC +0100, CET-0100, "+0100".
_ZONE = re.compile(
    rf"\b({_TIME})\s?,?\s?(?:[A-Z]{{1,5}}\s?)?([+\u2013\u2212-])\s?(\d\d?)(?:[:.]?(\d\d)(?:[:.]?\d\d)?)?(?!\d|[:.])",
    re.IGNORECASE,
)
_NAMED_ZONE = re.compile(rf"\b({_TIME})\s?([A-Z]{{3,5}})\b", re.IGNORECASE)
# A comment where the zone should stand: 10:00:00 (CET).
_COMMENT_FOR_ZONE = re.compile(rf"(?<![+\u2013\u2212-])\b({_TIME})\s*\(([^()]*)\)\s*\Z")
_TIME_FIRST = re.compile(rf"^({_TIME})(?:\s([+-]\d{{4}}))?,?\s(?=\d|\w)(.*)$", re.DOTALL)
_ISO_DAY = re.compile(r"\b(\d{4})[-/.](\d\d?)[-/.](\d\d?)(?:T|,?\s|\Z)")
# A month as a number: 2.11.2026, 2 11 2026, 2 11月 2026, 2026年11月2日.
_DAY_FIRST = re.compile(r"\b(\d\d?)([\s.-])(\d\d?)[月월]?\2(\d{4})\b")
_YEAR_FIRST = re.compile(r"\b(\d{4})[年년]\s?(\d\d?)[月월]\s?(\d\d?)[日일]")
_ISO_BARE = re.compile(r"\b(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)")
_DAY_OF_MONTH = re.compile(r"\b(\d\d?)(?:st|nd|rd|th|\.|º|er)?,?\s?(?:de\s|of\s|-)?(?=[^\W\d_])")
_OF_YEAR = re.compile(r"(?<=[^\W\d_])\.?,?[\s-](?:de\s|of\s)?(?=\d{2,4}\b)")
_BEFORE_TIME = re.compile(rf"\s(?:at|um|kl\.?|à|klo)\s(?={_TIME})", re.IGNORECASE)
_AFTER_ZONE = re.compile(r"( [+-]\d{4})(?!\d|\s\d{4}\b).*$", re.DOTALL)
# No offset: 10:00:00 -429496729500, which means that the zone is not known (RFC 5322, 4.3).
_NO_ZONE = re.compile(rf"\b({_TIME}) ?[+-]\d{{5,}}\b")
_WORD = re.compile(r"[^\W\d_]{2,}\.?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?:{'|'.join(_MONTHS)})"
# A word with a comma or another month behind it, or one that is no month: `Mar 3 Nov` is a Tuesday in French.
_WEEKDAY = re.compile(rf"^[^\W\d_]+(?:\.?,|(?=\s\d\d?\s{_MONTH}))\s?|^(?!{_MONTH})[^\W\d_]+\.?\s?")
# How months begin in English, German, French, Italian, Spanish, Portuguese, Dutch, the Nordic languages,
# Polish, Czech, Hungarian, Romanian, Turkish, Greek, Russian, Ukrainian, Bulgarian and Chinese.
_BEGINNINGS = (
    "jan gen ene sty led ian oca ιαν янв січ яну 一月",
    "feb fév fev lut úno şub φεβ фев лют 二月",
    "mar mär mrz mrt maa már bře μαρ μάρ мар бер 三月",
    "apr avr abr kwi ápr dub nis απρ апр кві 四月",
    "may mai maj máj mag mei kvě μαΐ μαϊ μάι мая май тра 五月",
    "jun juin jún giu cze čvn iun haz ιουν ιούν июн чер юни 六月",
    "jul juil júl lug lip čvc iul tem ιουλ ιούλ июл лип юли 七月",
    "aug aoû aou ago sie srp ağu αυγ αύγ авг сер 八月",
    "sep set szep wrz zář eyl σεπ сен вер сеп 九月",
    "oct okt out ott paź říj eki οκτ окт жов 十月",
    "nov lis noi kas νοε νοέ ноя лис ное 十一月",
    "dec dez des déc dic gru pro ara δεκ дек гру 十二月",
)
_MONTH_OF = {
    beginning: month
    for month, beginnings in zip(_MONTHS, _BEGINNINGS, strict=True)
    for beginning in beginnings.split()
}
# Zones that mail clients write and the standard library does not know, in minutes.
_ZONES = {
    name: minutes
    for minutes, names in (
        (0, "WET GMT UTC"),
        (60, "CET MET MEZ WEST BST WAT"),
        (120, "CEST MEST MESZ EET SAST CAT"),
        (180, "EEST MSK EAT IDT TRT"),
        (210, "IRST"),
        (240, "MSD SAMT GST AZT"),
        (270, "AFT IRDT"),
        (300, "PKT UZT YEKT"),
        (330, "IST"),
        (345, "NPT"),
        (360, "OMST"),
        (390, "MMT"),
        (420, "WIB ICT NOVT KRAT"),
        (480, "HKT SGT MYT PHT WITA AWST IRKT"),
        (540, "JST KST WIT YAKT"),
        (570, "ACST"),
        (600, "AEST CHST VLAT"),
        (630, "ACDT"),
        (660, "AEDT MAGT"),
        (720, "NZST PETT"),
        (780, "NZDT"),
        (-60, "AZOT"),
        (-120, "BRST"),
        (-150, "NDT"),
        (-180, "BRT ART UYT CLST"),
        (-210, "NST"),
        (-240, "CLT VET"),
        (-300, "COT PET"),
        (-540, "AKST"),
        (-480, "AKDT"),
        (-600, "HST"),
    )
    for name in names.split()
}


def read_date(value: bytes) -> datetime | None:
    """Return the moment of a Date field (RFC 5322, 3.3, or ISO 8601), or None; without a zone it is UTC."""
    moment = read_written_date(value)
    return moment and moment.astimezone(UTC)


def read_written_date(value: bytes) -> datetime | None:
    """Return the same moment in the zone in which it is written."""
    return _read(_to_text(value[:_LONGEST]))


def read_received_date(value: bytes) -> datetime | None:
    """Return the moment at the end of a Received field (RFC 5321, 4.4), or None."""
    moment = _read(_to_text(value[-_LONGEST:]).rpartition(";")[2].strip())
    return moment and moment.astimezone(UTC)


def _read(text: str) -> datetime | None:
    # Well-formed text is read as it stands; what that fails at, or misreads, is made plain first.
    for read in (_by_iso, _by_mail):
        try:
            moment = read(text)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            aware.astimezone(UTC)  # a date of year 1 or 9999 may have no moment in UTC
            return aware.replace(microsecond=0)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _to_text(value: bytes) -> str:
    """Return a value without comments and quotes, its words parted by one blank."""
    text = _COMMENT_FOR_ZONE.sub(r"\1 \2", decode_words(value))
    for _ in range(_MOST_LEVELS):
        if "(" not in text:
            break
        text = _COMMENT.sub(" ", text)
    text = _OPEN_COMMENT.sub("", text)
    return _BLANKS.sub("", " ".join(_QUOTES.sub(" ", text).split()))


def _by_iso(text: str) -> datetime:
    return datetime.fromisoformat(_LEAP_SECOND.sub("59", text))


def _by_mail(text: str) -> datetime:
    plain = _to_plain(text)
    return parsedate_to_datetime(plain if ":" in plain or "." in plain else f"{plain} 00:00")


def _to_plain(text: str) -> str:
    """Rewrite what senders vary: `Mi., 30. September 2026 um 9.00 PM, GMT+2` to `30 Sep 2026 21.00 +0200`."""
    text = _LEAP_SECOND.sub("59", text)
    text = _DAY_FIRST.sub(r"\4-\3-\1", _YEAR_FIRST.sub(r"\1-\2-\3", text))
    text = _ISO_BARE.sub(r"\1-\2-\3T\4:\5:\6", text)
    text = _FRACTION.sub(r"\1", text)
    text = _BEFORE_TIME.sub(" ", text)
    text = _HALF_OF_DAY.sub(_to_24_hours, text)
    text = _ZONE.sub(_to_offset, _NO_ZONE.sub(r"\1", text))
    text = _NAMED_ZONE.sub(_name_to_offset, text)
    text = _AFTER_ZONE.sub(r"\1", text)
    text = _ISO_DAY.sub(_name_month, text)
    text = _WORD.sub(_to_english, text)
    text = _WEEKDAY.sub("", text)
    text = _DAY_OF_MONTH.sub(r"\1 ", text)
    text = _OF_YEAR.sub(" ", text)
    text = _YEAR_OF_THREE.sub(lambda year: str(1900 + int(year[0])), text)
    return _TIME_FIRST.sub(r"\3 \1 \2", text).strip()


def _to_24_hours(match: re.Match[str]) -> str:
    hour = int(match[1]) % 12 + (12 if match[3].lower() == "p" else 0)
    return f"{hour}{match[2]}"


def _to_offset(match: re.Match[str]) -> str:
    sign, hours = "+" if match[2] == "+" else "-", int(match[3])
    # No place is a day ahead: such an offset says nothing either.
    return f"{match[1]} {sign}{hours:02}{match[4] or '00'}" if hours < 24 else match[1]  # noqa: PLR2004


def _name_to_offset(match: re.Match[str]) -> str:
    minutes = _ZONES.get(match[2].upper())
    if minutes is None:
        return match[0]
    hours, rest = divmod(abs(minutes), 60)
    return f"{match[1]} {'-' if minutes < 0 else '+'}{hours:02}{rest:02}"


def _name_month(match: re.Match[str]) -> str:
    month = int(match[2])
    return f"{match[3]} {_MONTHS[month - 1]} {match[1]} " if 1 <= month <= len(_MONTHS) else match[0]


def _to_english(match: re.Match[str]) -> str:
    """Return a month's name as the standard library knows it, everything else unchanged."""
    word = match[0].lower()
    return _MONTH_OF.get(word[:4]) or _MONTH_OF.get(word[:3]) or match[0]
