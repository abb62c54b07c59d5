from __future__ import annotations

import pytest

from worker.mail.imap.ids import OwnId, distinct_ids, is_same_id, read_own_id, search_texts


@pytest.mark.parametrize("text", ["<a@x>", "a@x", " <a@x>\r\n ", "<a@\r\n x>", "<a@x> (comment)"])
def test_brackets_folding_and_comments_make_no_difference(text: str) -> None:
    assert is_same_id(text, "<a@x>")


@pytest.mark.parametrize("text", ["<A@x>", "<aa@x>", None])
def test_letter_case_and_parts_do(text: str | None) -> None:
    assert not is_same_id("<a@x>", text)


def test_an_own_id_reads_back() -> None:
    assert read_own_id(str(OwnId(7, 42))) == OwnId(7, 42)
    assert read_own_id("<imap:7.42>") == OwnId(7, 42)
    for text in ("imap:7", "imap:7.x", "ximap:7.42", "imap:7.42@example.org"):
        assert read_own_id(text) is None


def test_a_number_that_no_message_has_makes_no_own_id() -> None:
    for text in (
        "imap:7.0",
        "imap:7.9223372036854775808",
        "imap:7.99999999999999999999",
        "imap:\u0667.\u0661",
    ):
        assert read_own_id(text) is None


def test_messages_without_an_id_or_with_that_of_another_get_their_own() -> None:
    ids = distinct_ids({1: "<a@x>", 2: None, 3: "<b@x>", 4: "a@x"}, 7)
    assert ids == {1: "imap:7.1", 2: "imap:7.2", 3: "<b@x>", 4: "imap:7.4"}


def test_a_message_id_that_looks_like_one_of_the_worker_never_names_another_message() -> None:
    assert distinct_ids({5: "<imap:7.1>"}, 7) == {5: "imap:7.5"}


def test_an_id_is_looked_for_with_its_brackets_first() -> None:
    assert search_texts("a@x") == search_texts(" <a@x> ") == ("<a@x>", "a@x", "=?")
    assert search_texts("<>") == search_texts("") == ("=?",)


def test_of_an_id_that_is_not_plain_ascii_the_longest_plain_part_is_looked_for() -> None:
    assert search_texts("<jürgen.müller@example.org>") == ("ller@example.org", "=?")
    assert search_texts("日本") == ("=?",)


def test_an_id_that_was_folded_is_looked_for_whole_before_its_longest_part() -> None:
    for text in ("<a@\r\n example.org>", "a@ example.org"):
        assert search_texts(text) == (
            "<a@example.org>",
            "a@example.org",
            "a@ example.org",
            "example.org",
            "=?",
        )
