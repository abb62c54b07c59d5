from __future__ import annotations

from datetime import date

import pytest

from worker.mail.message.parse import parse_headers
from worker.mail.message.parse_dates import read_date, read_received_date

HALF_PAST_NINE = [
    "Mon, 2 Nov 2026 10:30:00 +0100",
    "Mon, 2 Nov 2026 10:30:00 +01:00",
    "Mon, 2 Nov 2026 10:30:00 GMT+01:00",
    "Mon, 2 Nov 2026 10:30:00 GMT +0100",
    "Mon, 2 Nov 2026 10:30:00 GMT+0100 (Central European Standard Time)",
    "Mon, 2 Nov 2026 10:30:00 UTC+1",
    "Mon, 2 Nov 2026 10:30:00 +1",
    "Mon, 2 Nov 2026 10:30:00+0100",
    "Mon, 2 Nov 2026 10:30:00 +0100GMT",
    "Mon, 2 Nov 2026 09:30:00 -429496729500",
    "Mon, 2 Nov 2026 09:30:00 +9900",
    "Mon, 2 Nov 2026 10:30:00.123 +0100",
    'Mon, 2 Nov 2026 10:30:00 "GMT+0100"',
    "Mon, 2 Nov 2026 10:30 +0100",
    "Mon, 2 Nov 2026 10:30:00 CET",
    "Mon, 2 Nov 2026 10.30.00 +0100",
    "Mon, 2 Nov 26 10:30:00 +0100",
    "Mon, 2 Nov 126 10:30:00 +0100",
    "Mon, 02-Nov-2026 10:30:00 +0100",
    "Mon, 2 November 2026 10:30:00 +0100",
    "Mon Nov  2 10:30:00 CET 2026",
    "Mon Nov 02 10:30:00 GMT+01:00 2026",
    "Mon Nov 02 2026 10:30:00 GMT+0100",
    "mon, 2 nov 2026 10:30:00 gmt+0100",
    "Montag, 2. November 2026 10:30:00 +0100",
    "lun., 2 nov. 2026 10:30:00 +0100",
    "lun, 2 de nov de 2026 10:30:00 +0100",
    "пн, 2 ноя 2026 10:30:00 +0100",
    "2026-11-02T10:30:00+01:00",
    "2026-11-02 10:30:00 +0100",
    "2026-11-02 10:30:00.5 GMT+01:00",
    "20261102T093000Z",
    "November 2, 2026 at 9:30 AM",
    "Mon, 2 Nov 2026 09:30:00 AM",
    "Mon, 2 Nov 2026 09:30:00",
    "Mon, 2 Nov 2026 09:30:00 -0000",
    "Mon, 2 Nov 2026 10:30:00 +0100 (MEZ (Winter))",
    "Mon, 2 Nov 2026 10:30:00 +0100 (never closed",
    "Mon, 2 Nov 2026 10:30:00 +0100, or so",
    "Mon, 2 Nov 2026 10:30:00 (GMT+01:00)",
    "Mon, 2 Nov 2026 10:30:00 (CET)",
    "Mon, 2 Nov 2026 10:30:00 +01:00 (CET)",
    "Mon, 2 Nov 2026 10:30:00 '+0100'",
    "Mon, 2 Nov 2026 10:30:00 +01:00:00",
    "Mon, 2 Nov 2026 08:30:00 \u20130100",
    "Mon, 2 Nov 2026 10(comment):   30  :  00 +0100",
    "Mon , 2 Nov 2026 10:30 +0100",
    "02.11.2026 10:30:00 +0100",
    "Mon, 2 11 2026 10:30:00 +0100",
    "\u5468\u4e00, 02 11\u6708 2026 10:30:00 +0100",
    "\u661f\u671f\u4e00, 2 \u5341\u4e00\u6708 2026 10:30:00 +0100",
    "\uc6d4, 2 11\uc6d4 2026 10:30:00 +0100",
    "2026\u5e7411\u67082\u65e5 10:30:00 +0100",
]


@pytest.mark.parametrize("text", HALF_PAST_NINE)
def test_a_date_is_read_however_it_is_written(text: str) -> None:
    moment = read_date(text.encode())

    assert moment is not None
    assert f"{moment:%Y-%m-%d %H:%M}" == "2026-11-02 09:30"


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("Wed, 30 Sept 2026 09:00:00 +0000", 9),
        ("Mi, 30 Sept. 2026 09:00:00 +0000", 9),
        ("Fr, 4 Dez 2026 10:00:00 +0100", 12),
        ("Di, 3 Mrz 2026 10:00:00 +0100", 3),
        ("Do, 5 März 2026 10:00:00 +0100", 3),
        ("mar., 3 févr. 2026 10:00:00 +0100", 2),
        ("jeu., 6 août 2026 10:00:00 +0200", 8),
        ("lun, 5 ene 2026 10:00:00 +0100", 1),
        ("gio, 5 mag 2026 10:00:00 +0200", 5),
        ("wo, 7 okt 2026 10:00:00 +0200", 10),
        ("mar. 3 nov. 2026 10:30:00 +0100", 11),
        ("mar. 3 mars 2026 10:30:00 +0100", 3),
        ("szo, 2 máj. 2026 10:30:00 +0200", 5),
        ("周四, 1 一月 2026 10:30:00 +0800", 1),
        ("Δευ, 02 Νοε 2026 10:00:00 +0200", 11),
        ("Τρί, 02 Ιουλ 2026 10:00:00 +0200", 7),
        ("пн, 02 лис 2026 10:00:00 +0200", 11),
        ("середа, 05 серпня 2026 10:00:00 +0300", 8),
        ("пн, 01 юни 2026 10:00:00 +0300", 6),
        ("mar., 03 ian. 2026 10:00:00 +0200", 1),
    ],
)
def test_months_are_known_in_the_languages_of_mail_programs(text: str, month: int) -> None:
    moment = read_date(text.encode())

    assert moment is not None
    assert moment.month == month


@pytest.mark.parametrize(
    ("zone", "time"),
    [
        ("NST", "13:30"),
        ("NDT", "12:30"),
        ("BRST", "12:00"),
        ("COT", "15:00"),
        ("ICT", "03:00"),
        ("NPT", "04:15"),
        ("PKT", "05:00"),
        ("IDT", "07:00"),
        ("ACDT", "23:30"),
        ("ChST", "00:00"),
        ("YEKT", "05:00"),
        ("WITA", "02:00"),
        ("XYZ", "10:00"),
    ],
)
def test_zones_are_known_by_name_and_others_count_as_none(zone: str, time: str) -> None:
    moment = read_date(f"Mon, 02 Nov 2026 10:00:00 {zone}".encode())

    assert moment is not None
    assert f"{moment:%H:%M}" == time


@pytest.mark.parametrize("text", ["", "x", "+0100", "30 Feb 2026 10:00", "Mon, 99 Nov 2026 10:00", "soon"])
def test_a_text_that_is_no_date_gives_none(text: str) -> None:
    assert read_date(text.encode()) is None


def test_the_date_of_received_stands_behind_its_last_semicolon() -> None:
    moment = read_received_date(b"from a (b; c) by d; Mon, 2 Nov 2026 10:30:00 +01:00 (CET; winter)")

    assert moment is not None
    assert f"{moment:%H:%M}" == "09:30"


@pytest.mark.parametrize(
    ("text", "day", "hours"),
    [
        ("Sun, 01 Mar 2026 23:30:00 -0500", date(2026, 3, 1), "2026-03-02 04:30"),
        ("2026-03-02T00:30:00+05:00", date(2026, 3, 2), "2026-03-01 19:30"),
    ],
)
def test_the_day_is_the_one_that_the_sender_wrote_though_the_moment_is_in_utc(
    text: str, day: date, hours: str
) -> None:
    headers = parse_headers(f"Date: {text}\r\n\r\n".encode())
    assert headers.sent_day == day
    assert f"{headers.sent_date:%Y-%m-%d %H:%M}" == hours
