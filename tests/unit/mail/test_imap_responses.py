from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mail.imap.client import decode_name, quote_name
from worker.mail.imap.errors import reason_of, refusal
from worker.mail.imap.responses import (
    Fetched,
    ListedFolder,
    PartialResult,
    Piece,
    Reply,
    UidMark,
    expand_set,
    format_set,
    read_all,
    read_copy_uid,
    read_fetched,
    read_folders,
    read_internal_date,
    read_next_uids,
    read_partial,
    read_personal_namespace,
    read_values,
)


def test_values_are_atoms_strings_lists_and_literals() -> None:
    pieces: list[Piece] = [(b'1 (A "b \\"c\\" \\\\" NIL "NIL" (D ()) E[F (G H)]<0> {3}', b"x)y"), b" Z)"]
    assert read_values(pieces) == [
        b"1",
        [b"A", b'b "c" \\', None, b"NIL", [b"D", []], b"E[F (G H)]<0>", b"x)y", b"Z"],
    ]


@given(st.binary(max_size=200))
def test_damaged_values_never_break_the_reader(text: bytes) -> None:
    read_values([(text, b"literal"), text])
    read_folders([text])
    read_personal_namespace([text])


def test_a_fetched_message_is_read_in_any_order_of_its_items() -> None:
    literal = (b'3 (BODY[HEADER.FIELDS ("DATE")] {2}', b"\r\n")
    trailer = b' RFC822.SIZE 7 FLAGS (\\Seen $x) INTERNALDATE " 1-Jan-2026 01:00:00 +0100" UID 9)'
    message = read_fetched([literal, trailer])
    assert message is not None
    assert (message.uid, message.size, message.section) == (9, 7, b"\r\n")
    assert message.received == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_internal_date_counts_its_zone_from_greenwich_in_both_directions() -> None:
    moment = datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)
    assert read_internal_date(b"17-Jul-1996 02:44:25 -0700") == moment
    assert read_internal_date(b"17-Jul-1996 15:14:25 +0530") == moment


def test_what_another_client_did_to_a_message_is_no_fetched_message() -> None:
    assert read_fetched([b"3 (FLAGS (\\Seen))"]) is None
    assert read_fetched([b"3 (UID 7 FLAGS (\\Seen) MODSEQ (12))"]) is None


@pytest.mark.parametrize("uid", [b"4294967296", b"-1", b"x"])
def test_a_uid_out_of_range_is_a_breach_of_the_protocol(uid: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the door makes a sentence of it
        read_fetched([b"1 (RFC822.SIZE 7 UID " + uid + b")"])


@pytest.mark.parametrize("items", [b"UID 5 FLAGS (\\Seen)", b"FLAGS () MODSEQ (9) UID 5", b"flags () uid 5"])
def test_news_of_another_clients_flags_is_no_answer(items: bytes) -> None:
    assert read_fetched([b"5 (" + items + b")"]) is None


def test_an_answer_that_has_such_news_in_it_is_one() -> None:
    assert read_fetched([b"5 (FLAGS (\\Seen) UID 5 RFC822.SIZE 9)"]) == Fetched(5, size=9)


@pytest.mark.parametrize(
    "text", [b"", b"32-Jan-2026 00:00:00 +0000", b"01-Foo-2026 00:00:00 +0000", b"yesterday"]
)
def test_an_internal_date_that_is_none_is_none(text: bytes) -> None:
    assert read_internal_date(text) is None


def test_folders_are_read_with_quoted_names_and_literals() -> None:
    lines: list[Piece] = [
        b'(\\HasChildren) "/" INBOX',
        b'(\\NoSelect) "/" "a \\"b\\""',
        (b"() NIL {3}", b"c d"),
        b"",
    ]
    assert read_folders(lines) == [
        ListedFolder(b"INBOX", "/", is_selectable=True),
        ListedFolder(b'a "b"', "/", is_selectable=False),
        ListedFolder(b"c d", None, is_selectable=True),
    ]


def test_the_personal_namespace_is_the_first_of_the_first() -> None:
    assert read_personal_namespace([b'(("INBOX." ".")) (("user." ".")) NIL']) == (b"INBOX.", ".")
    assert read_personal_namespace([b"NIL NIL NIL"]) is None
    assert read_personal_namespace([b'(("" NIL)) NIL NIL']) == (b"", None)


def test_a_partial_result_is_read_in_its_order() -> None:
    line = b'(TAG "A1") UID COUNT 9 PARTIAL (1:4 23764,5:6,4:3)'
    assert read_partial([line]) == PartialResult([23764, 5, 6, 4, 3], 9)
    assert read_partial([b'(TAG "A1") UID COUNT 0 PARTIAL (1:3 NIL)']) == PartialResult([], 0)
    assert read_partial([b'(TAG "A1") UID COUNT 3']) is None
    assert read_partial([]) is None


def test_all_that_was_found_is_read() -> None:
    assert read_all([b'(TAG "A1") UID ALL 7,1:3']) == [7, 1, 2, 3]
    assert read_all([b'(TAG "A1") UID']) == []
    assert read_all([]) is None
    for odd in (b"1:x", b"1:4294967295", b"*"):
        assert read_all([b"UID ALL " + odd]) is None


def test_numbers_are_those_before_the_parenthesis() -> None:
    reply = Reply("OK", "", {"SEARCH": [b"2 4 (MODSEQ 917)", b"x 5"]})
    assert reply.numbers("SEARCH") == [2, 4, 5]


def test_next_uids_and_copied_ones_are_read() -> None:
    lines = [b'"a b" (UIDNEXT 5 UIDVALIDITY 7)', b"c (UIDNEXT 1)"]
    assert read_next_uids(lines) == {b"a b": UidMark(7, 5)}
    assert read_copy_uid([b"7 1 5"]) == UidMark(7, 5)
    assert read_copy_uid([b"7 1:2 5:6"]) is None
    assert read_copy_uid([]) is None


@given(st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=50))
def test_a_set_of_numbers_reads_back(numbers: list[int]) -> None:
    assert expand_set(format_set(numbers).encode()) == sorted(set(numbers))


def test_a_set_is_as_short_as_can_be() -> None:
    assert format_set([3, 1, 2, 7, 9, 10]) == "1:3,7,9:10"


@given(st.text(st.characters(codec="utf-8", exclude_characters='\r\n\0\\"')))
def test_a_folder_name_survives_modified_utf_7(name: str) -> None:
    assert decode_name(quote_name(name)[1:-1]) == name


@pytest.mark.parametrize("raw", [b"&", b"&AAA", b"\xff", b"&!!-"])
def test_a_name_that_is_no_utf_7_is_still_a_name(raw: bytes) -> None:
    assert isinstance(decode_name(raw), str)


def test_a_code_is_read_with_its_arguments() -> None:
    reply = Reply("NO", "[BADCHARSET (UTF-8 X)] no", {})
    assert (reply.code, reply.code_arguments) == ("BADCHARSET", "(UTF-8 X)")
    assert (Reply("NO", "no [CODE]", {}).code, Reply("NO", "", {}).code) == ("", "")


def test_a_reason_is_one_short_line() -> None:
    reply = Reply("NO", "[LIMIT] a\x00b\x1bc " + "x" * 500 + ".", {})
    assert reason_of(reply).startswith("[LIMIT] a b c xxx")
    assert len(reason_of(reply)) == 200
    assert "no reason given" in refusal("mail:143", Reply("NO", "", {}), "list").message
