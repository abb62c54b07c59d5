"""No secret in what people read, in whatever form a server gives it back."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from testkit.work import LINEAR, TIMES_LARGER, growth_of

from worker.masking import Mask, current_mask, excerpt, masking


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def mask_of(*values: str) -> Mask:
    mask = Mask()
    for value in values:
        mask.learn(value)
    return mask


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        (["hunter2"], f"AUTH LOGIN {encoded('hunter2')}", "AUTH LOGIN ***"),
        (["hunter2"], "xhunter2x", "x***x"),
        (['pa"ss\\word'], r'LOGIN "me" "pa\"ss\\word"', 'LOGIN "me" "***"'),
        (["pässwörd€"], f"pässwörd€ {encoded('pässwörd€')}", "*** ***"),
        (["a.c+[x]|(y)$^"], "a.c+[x]|(y)$^ abc", "*** abc"),
        ([r"\d+\n"], r"\d+\n 42", "*** 42"),
        (["secret", "secret-longer"], "secret-longer secret", "*** ***"),
        (["secret-longer", "secret"], "secret-longer secret", "*** ***"),
        (["abcdef", "defghi"], "abcdefghi", "***"),
        (["abcdef", "defghi", "ghijkl"], "-abcdefghijkl-", "-***-"),
        (["secret-longer", "cret"], "-secret-longer-", "-***-"),
        (["aaaa"], "aaaaaa", "***"),
        (["abcd", "efgh"], "abcdefgh", "***"),
        (["line1\nline2"], "x line1\nline2 y", "x *** y"),
        (["pin"], "pin spinning pin, pins", "*** spinning ***, pins"),
        (["1"], "1 12 21 (1)", "*** 12 21 (***)"),
        (["ab"], "abababab ab", "abababab ***"),
        ([""], "nothing to hide", "nothing to hide"),
        ([" "], "a b c", "a b c"),
        ([], "nothing to hide", "nothing to hide"),
    ],
)
def test_no_value_and_no_piece_of_one_is_left(values: list[str], text: str, expected: str) -> None:
    assert mask_of(*values).hide(text) == expected


@pytest.mark.parametrize("text", ["hunter2…", "***…", "hunter2-and-mor…", "…", "a…b…"])
def test_a_sign_of_a_cut_in_foreign_text_means_nothing(text: str) -> None:
    assert mask_of("hunter2-and-more").hide(f"535 {text} is wrong") == f"535 {text} is wrong"


def test_a_text_is_masked_before_it_is_cut() -> None:
    with masking(mask_of("hunter2-and-more")):
        for limit in range(10, 60):
            assert "hunter" not in excerpt("535 bad password hunter2-and-more, try again later", limit)


def test_an_excerpt_is_one_printable_line() -> None:
    assert excerpt("  535 no\r\n\x1b[31mred\x00 \t words ", 100) == "535 no [31mred words"
    assert excerpt("x" * 11, 10) == "x" * 9 + "…"
    assert excerpt("x" * 10, 10) == "x" * 10


def test_a_value_is_hidden_where_a_server_breaks_it_over_lines() -> None:
    assert mask_of("secretpw-42x").hide("535-secret\n535 x; pw: secret\r\n pw-42x.") == (
        "535-secret\n535 x; pw: ***."
    )


def test_the_mask_of_a_job_ends_with_it_and_hides_the_shared_values_too() -> None:
    shared, other = mask_of("of-the-store"), mask_of("somebody-else")
    job = Mask(shared)
    job.learn("of-the-job")
    with masking(job):
        assert excerpt("of-the-store of-the-job somebody-else", 99) == "*** *** somebody-else"
    assert current_mask(default=shared) is shared
    assert shared.hide("of-the-job") == "of-the-job"
    assert other.hide("somebody-else") == "***"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (" hunter2 ", "hunter2"),
        ("two  words", "two words"),
        ("tab\there", "tab here"),
        ("tab\there", "tab\ufffdhere"),
        ("no\xa0break", "no break"),
    ],
)
def test_a_value_is_hidden_in_an_answer_that_was_made_one_printable_line(value: str, shown: str) -> None:
    assert mask_of(value).hide(f"535 bad password {shown}") == "535 bad password ***"


@pytest.mark.parametrize("username", ["", "a", "al", "ali", "alice", "ünï"])
@pytest.mark.parametrize("password", ["hunter2", "pässwörd€", "a-token.with.many-characters_" * 5])
def test_a_password_is_masked_in_base64_with_any_surroundings(username: str, password: str) -> None:
    sasl = f"user={username}\1auth=Bearer {password}\1\1"
    for text in (f"\0{username}\0{password}", f"{username}:{password}", sasl):
        assert mask_of(password).hide(f"535 AUTH {encoded(text)} is wrong") == "535 AUTH *** is wrong"


def test_a_lone_surrogate_in_a_value_is_no_trouble() -> None:
    assert mask_of("pass\ud800word").hide("pass\ud800word") == "***"


def test_everything_in_a_value_is_masked_however_deep() -> None:
    value = {"a": ["hunter2", {"b": ("x hunter2",)}], "n": 1, "f": 1.5, "t": True, "none": None}
    assert mask_of("hunter2").hide_in(value) == {
        "a": ["***", {"b": ["x ***"]}],
        "n": 1,
        "f": 1.5,
        "t": True,
        "none": None,
    }


def test_texts_side_by_side_are_masked_each_for_itself() -> None:
    mask = mask_of("hunter2", "abc")
    assert mask.hide_in({"a": "x", "b": "abc", "c": 1}) == {"a": "x", "b": "***", "c": 1}
    assert mask.hide_in({"a": "hun", "b": "ter2"}) == {"a": "hun", "b": "ter2"}


def test_a_value_that_is_not_json_is_masked_in_its_printed_text() -> None:
    mask = mask_of("hunter2")
    assert mask.hide_in(ValueError("bad hunter2")) == "bad ***"
    assert mask.hide_in(b"hunter2") == "b'***'"
    assert mask.hide_in({"path": Path("/hunter2/x")}) == {"path": "/***/x"}


def test_the_oldest_values_are_forgotten_but_not_those_still_in_use() -> None:
    mask = mask_of("hunter2", "old-value")
    for number in range(1_500):
        mask.learn(f"{number:05}-password")
    mask.learn("hunter2")
    for number in range(1_500, 2_500):
        mask.learn(f"{number:05}-password")
    assert mask.hide("hunter2 old-value") == "*** old-value"


def test_masking_a_large_text_is_linear_work() -> None:
    mask = mask_of(*(f"password-{number}" for number in range(100)))

    def hide(length: int) -> None:
        assert mask.hide("x" * length + "password-99") == "x" * length + "***"

    assert growth_of(lambda: hide(20_000), lambda: hide(20_000 * TIMES_LARGER)) < LINEAR
