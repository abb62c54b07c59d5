from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_tools.imap_utf7 import utf7_encode

from worker.mail.imap.errors import refusal
from worker.mail.imap.lists import Piece
from worker.mail.imap.replies import (
    Fetched,
    Reply,
    UnreadableReply,
    decode_name,
    format_set,
    read_copy_uid,
    read_counts,
    read_fetched,
    read_folders,
    read_found,
    read_namespaces,
    read_numbers,
    tolerated,
)
from worker.mail.refusals import reason_of


@given(st.binary(max_size=200))
def test_damaged_replies_never_break_a_reader(text: bytes) -> None:
    list(read_folders([(text, b"literal"), text]))
    read_namespaces([text])
    list(read_counts([(text, b"literal"), text]))
    tolerated(text)
    for item in (b"BODYSTRUCTURE ", b"FLAGS ", b"INTERNALDATE ", b"BODY[] "):
        with suppress(UnreadableReply):
            list(read_fetched([b"1 (UID 9 " + item + text + b")"]))


def test_a_fetched_message_is_read_in_any_order_of_its_items() -> None:
    literal = (b'3 (BODY[HEADER.FIELDS ("DATE")] {2}', b"\r\n")
    trailer = b' RFC822.SIZE 7 FLAGS (\\Seen $x) INTERNALDATE " 1-Jan-2026 01:00:00 +0100" UID 9)'
    (message,) = read_fetched([literal, trailer])
    assert (message.uid, message.size, message.section) == (9, 7, b"\r\n")
    assert message.received == datetime(2026, 1, 1, tzinfo=UTC)


def test_several_messages_come_one_after_another() -> None:
    pieces: list[Piece] = [(b"1 (UID 5 BODY[] {1}", b"a"), b")", b"2 (RFC822.SIZE 3 UID 6)"]
    assert list(read_fetched(pieces)) == [Fetched(5, section=b"a"), Fetched(6, size=3)]


def test_what_a_quoted_text_says_is_no_item() -> None:
    (message,) = read_fetched([b'1 (BODY[HEADER]<0> "UID 7 \\"RFC822.SIZE 8\\" {3}" UID 9 RFC822.SIZE 2)'])
    assert message == Fetched(9, size=2, section=b'UID 7 "RFC822.SIZE 8" {3}')


@pytest.mark.parametrize("name", [b'"a"b.pdf"', b'"a".pdf"', b'""""', b'"a\\"b".pdf"', b'""a"'])
def test_a_quote_that_is_not_escaped_hides_nothing_that_follows(name: bytes) -> None:
    structure = b'("APPLICATION" "PDF" ("NAME" ' + name + b') "" NIL "BASE64" 8)'
    head = b"1 (UID 9 BODYSTRUCTURE " + structure + b" BODY[HEADER] {4}"
    (message,) = read_fetched([(head, b"A: b"), b" RFC822.SIZE 5)"])
    assert message == Fetched(9, size=5, section=b"A: b", has_attachments=True)


@pytest.mark.parametrize(
    "name", [b"BODY.PEEK[]", b"BODY.PEEK[HEADER]<0>", b"RFC822", b"RFC822.HEADER", b"rfc822.text"]
)
def test_a_section_is_read_by_its_other_names(name: bytes) -> None:
    assert list(read_fetched([(b"1 (UID 5 " + name + b" {1}", b"a"), b")"])) == [Fetched(5, section=b"a")]


def test_a_structure_is_read_with_its_literals_and_what_follows_it() -> None:
    pieces: list[Piece] = [
        (
            b'1 (UID 9 BODYSTRUCTURE ((("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)("IMAGE" "PNG" ("NAME" {3}',
            b"a)(",
        ),
        (b') "<x>" NIL "BASE64" 8) "RELATED") "MIXED") BODY[HEADER] {4}', b"A: b"),
        b" RFC822.SIZE 5)",
    ]
    assert list(read_fetched(pieces)) == [Fetched(9, size=5, section=b"A: b", has_attachments=True)]


@pytest.mark.parametrize(
    "structure",
    [b"(", b"()", b"(())", b"(NIL NIL)", b'("A")', b"((NIL) NIL"],
)
def test_a_structure_that_is_none_says_nothing_of_attachments(structure: bytes) -> None:
    (message,) = read_fetched([b"1 (UID 9 RFC822.SIZE 5 BODYSTRUCTURE " + structure + b")"])
    assert (message.size, message.has_attachments) == (5, None)


def test_a_structure_in_a_structure_in_a_structure_is_read_once() -> None:
    (message,) = read_fetched([b"1 (UID 9 RFC822.SIZE 5 " + b"BODYSTRUCTURE (A " * 100_000 + b")"])
    assert (message.size, message.has_attachments) == (5, None)


def test_header_fields_may_come_in_sections_of_their_own() -> None:
    pieces: list[Piece] = [
        (b"1 (UID 5 BODY[HEADER.FIELDS (A)] {8}", b"A: 1\r\n\r\n"),
        (b" BODY[HEADER.FIELDS (B)] {8}", b"B: 2\r\n\r\n"),
        b")",
    ]
    assert list(read_fetched(pieces)) == [Fetched(5, section=b"A: 1\r\nB: 2\r\n")]


def test_what_several_replies_tell_of_one_message_is_put_together() -> None:
    pieces: list[Piece] = [
        (b"1 (UID 5 FLAGS (A) BODY[HEADER] {4}", b"A: b"),
        b")",
        b"2 (UID 6 RFC822.SIZE 2)",
        b"1 (UID 5 RFC822.SIZE 3)",
    ]
    whole = Fetched(5, size=3, section=b"A: b", flags=frozenset({"A"}))
    assert list(read_fetched(pieces)) == [whole, Fetched(6, size=2)]


def test_a_backslash_that_need_not_be_escaped_stands_for_itself() -> None:
    assert dict(read_counts([b'"A\\B" (MESSAGES 3)'])) == {b"A\\B": {"MESSAGES": 3}}
    assert dict(read_counts([b'"A\\\\B \\"" (MESSAGES 3)'])) == {b'A\\B "': {"MESSAGES": 3}}


def test_a_name_of_a_million_words_is_not_kept() -> None:
    words = b"a " * 1_000_000
    assert [len(folder.raw_name) for folder in read_folders([b'() "." ' + words])] == [2_001]
    assert [len(name) for name, _ in read_counts([words + b"(MESSAGES 1)"])] == [1_999]


def test_a_status_may_lack_the_quotes_round_a_name_with_blanks() -> None:
    assert dict(read_counts([b"Deleted Items (MESSAGES 3)"])) == {b"Deleted Items": {"MESSAGES": 3}}
    assert dict(read_counts([b"INBOX"])) == {b"INBOX": {}}


def test_an_internal_date_counts_its_zone_from_greenwich_in_both_directions() -> None:
    (message,) = read_fetched([b'1 (UID 1 INTERNALDATE "17-Jul-1996 02:44:25 -0700")'])
    assert message.received == datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)
    (message,) = read_fetched([b'1 (UID 1 INTERNALDATE "17-Jul-1996 15:14:25 +0530")'])
    assert message.received == datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)


@pytest.mark.parametrize("uid", [b"9223372036854775808", b"-1", b"x"])
def test_a_uid_out_of_range_is_a_breach_of_the_protocol(uid: bytes) -> None:
    with pytest.raises(UnreadableReply):
        list(read_fetched([b"1 (RFC822.SIZE 7 UID " + uid + b")"]))


@pytest.mark.parametrize("items", [b"UID 5 FLAGS (\\Seen)", b"FLAGS () MODSEQ (9) UID 5", b"flags () uid 5"])
def test_news_of_another_clients_flags_is_no_answer(items: bytes) -> None:
    assert list(read_fetched([b"5 (" + items + b")"])) == []


def test_an_answer_that_has_such_news_in_it_is_one() -> None:
    (message,) = read_fetched([b"5 (FLAGS (\\Seen) UID 5 RFC822.SIZE 9)"])
    assert message == Fetched(5, size=9, flags=frozenset({r"\Seen"}))


@pytest.mark.parametrize(
    "text", [b"", b"32-Jan-2026 00:00:00 +0000", b"01-Foo-2026 00:00:00 +0000", b"yesterday"]
)
def test_an_internal_date_that_is_none_is_none(text: bytes) -> None:
    (message,) = read_fetched([b'1 (UID 1 INTERNALDATE "' + text + b'")'])
    assert message == Fetched(1)


def test_folders_are_read_with_quoted_names_and_literals() -> None:
    lines: list[Piece] = [
        b'(\\HasChildren) "/" INBOX',
        b'(\\NoSelect) "/" "a \\"b\\""',
        (b"() NIL {3}", b"c d"),
        b"",
    ]
    folders = read_folders(lines)
    assert [(each.raw_name, each.delimiter, each.is_selectable) for each in folders] == [
        (b"INBOX", "/", True),
        (b'a "b"', "/", False),
        (b"c d", None, True),
    ]


def test_namespaces_are_read_in_their_order() -> None:
    assert read_namespaces([b'(("INBOX." ".")) (("user/" "/")) (("pub." ".") ("all" NIL))']) == [
        ("INBOX.", "."),
        ("user/", "/"),
        ("pub.", "."),
        ("all", None),
    ]
    assert read_namespaces([b"NIL NIL NIL"]) == []


def test_numbers_are_those_before_the_parenthesis_and_no_more_than_there_can_be() -> None:
    assert list(read_numbers([b"2 4 (MODSEQ 917)", b"5"], 3)) == [2, 4, 5]
    for line in (b"1 2 3 4", b"0", b"9223372036854775808", b"9" * 5000):
        with pytest.raises(UnreadableReply):
            read_numbers([line], 3)


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        (b'(TAG "A1") UID ALL 1:3,7', [1, 2, 3, 7]),
        (b'(TAG "A1") UID MIN 2 ALL 2 MODSEQ 917', [2]),
        (b'(TAG "A1") uid all 3:1', [1, 2, 3]),
        (b'(TAG "A1") UID', []),
        (b'(TAG "A1") UID COUNT 2', []),
    ],
)
def test_what_esearch_has_found_is_read(line: bytes, numbers: list[int]) -> None:
    assert list(read_found([line], 4)) == numbers


@pytest.mark.parametrize("numbers", [b"1:5", b"1:4,9", b"0", b"1:2:3,", b"1:9223372036854775807"])
def test_esearch_finds_no_more_than_there_can_be(numbers: bytes) -> None:
    with pytest.raises(UnreadableReply):
        read_found([b'(TAG "A1") UID ALL ' + numbers], 4)


def test_counts_and_copied_uids_are_read() -> None:
    counts: list[bytes | tuple[bytes, bytes]] = [
        (b"{3}", b"a b"),
        b" (UIDNEXT 5 UIDVALIDITY 7)",
        b'"c \\" d" (messages 3)',
        b"e ()",
    ]
    assert list(read_counts(counts)) == [
        (b"a b", {"UIDNEXT": 5, "UIDVALIDITY": 7}),
        (b'c " d', {"MESSAGES": 3}),
        (b"e", {}),
    ]
    assert read_copy_uid([b"7 1 5"]) == 5
    for line in (b"7 1:2 5:6", b"7 1", b"", b"7 1 99999999999999999999"):
        assert read_copy_uid([line]) is None
    assert read_copy_uid([]) is None


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b"A1 ok done\r\n", b"A1 OK done\r\n"),
        (b"A1 OK\r\n", b"A1 OK \r\n"),
        (b"*  3  EXISTS\r\n", b"* 3 EXISTS\r\n"),
        (b"* search 1 2\r\n", b"* SEARCH 1 2\r\n"),
        (b"* 1 fetch (UID 1)\r\n", b"* 1 FETCH (UID 1)\r\n"),
        (b"+ go on\r\n", b"+ go on\r\n"),
        (b" UID 5)\r\n", b" UID 5)\r\n"),
        (b"a1 ok done\n", b"A1 OK done\r\n"),
        (b"* CAPABILITY IMAP4rev2 MOVE\r\n", b"* CAPABILITY IMAP4 IMAP4rev2 MOVE\r\n"),
    ],
)
def test_letter_case_blanks_and_a_missing_text_are_tolerated(line: bytes, read: bytes) -> None:
    assert tolerated(line)[0] == read


def test_a_set_is_as_short_as_can_be() -> None:
    assert format_set([3, 1, 2, 7, 9, 10]) == "1:3,7,9:10"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0")))
def test_a_folder_name_survives_modified_utf_7(name: str) -> None:
    assert decode_name(utf7_encode(name)) == name


@pytest.mark.parametrize("raw", [b"&", b"&AAA", b"\xff", b"&!!-"])
def test_a_name_that_is_no_utf_7_is_still_a_name(raw: bytes) -> None:
    assert isinstance(decode_name(raw), str)


def test_a_name_that_is_utf_8_is_read_as_utf_8() -> None:
    assert decode_name("Entwürfe".encode()) == "Entwürfe"


def test_a_code_is_read_with_its_arguments_and_ends_at_the_first_bracket() -> None:
    assert Reply("OK", "[COPYUID 9 2 5] moved to [Done]").code_arguments == "9 2 5"
    reply = Reply("NO", "[BADCHARSET (UTF-8 X)] no")
    assert (reply.code, reply.code_arguments) == ("BADCHARSET", "(UTF-8 X)")
    assert (Reply("NO", "no [CODE]").code, Reply("NO", "").code) == ("", "")


def test_a_reason_is_one_short_line() -> None:
    reason = reason_of("[LIMIT] a\x00b\x1bc " + "x" * 500 + ".")
    assert reason.startswith("[LIMIT] a b c xxx")
    assert len(reason) == 200
    error = refusal("mail:143", Reply("NO", "", doing="list the folders"))
    assert error.message == "mail:143 refused to list the folders (no reason given)."
