from __future__ import annotations

import base64
from pathlib import Path

import pytest
from testkit.work import LINEAR, TIMES_LARGER, calls_of, growth_of

from worker.errors import SecretNotFound
from worker.secret_store import Mask, SecretStore


def store(environment: dict[str, str] | None = None, directory: Path | None = None) -> SecretStore:
    return SecretStore(environment or {}, prefix="SECRET_", directory=directory)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def mask_of(*values: str) -> Mask:
    mask = Mask()
    for value in values:
        mask.learn(value)
    return mask


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{secrets.USER}}", "alice"),
        ("{{ secrets.USER }}", "alice"),
        ("{{\tsecrets.USER\n}}", "alice"),
        ("{{secrets.USER}}@{{secrets.DOMAIN}}", "alice@example.com"),
        ("mail.{{secrets.DOMAIN}}:587", "mail.example.com:587"),
        ("{{secrets.USER}}{{secrets.USER}}", "alicealice"),
        ("{{secrets.my-team.password_1}}", "p"),
        ("secrets.USER", "secrets.USER"),
        ("{secrets.USER}", "{secrets.USER}"),
        ("{{secret.USER}}", "{{secret.USER}}"),
        ("{{secretsUSER}}", "{{secretsUSER}}"),
        ("", ""),
    ],
)
def test_placeholders_become_values_and_the_text_around_stays(text: str, expected: str) -> None:
    environment = {
        "SECRET_USER": "alice",
        "SECRET_DOMAIN": "example.com",
        "SECRET_my-team.password_1": "p",
        "USER": "not a secret",
    }
    assert store(environment).reveal(text) == expected


def test_a_value_that_looks_like_a_placeholder_is_not_replaced_again() -> None:
    secrets = store({"SECRET_A": "{{secrets.B}}", "SECRET_B": "deep"})
    assert secrets.reveal("{{secrets.A}}") == "{{secrets.B}}"


def test_two_values_that_form_a_placeholder_together_do_not_make_one() -> None:
    secrets = store({"SECRET_A": "{{secrets.", "SECRET_C": "C}}"})
    assert secrets.reveal("{{secrets.A}}{{secrets.C}}") == "{{secrets.C}}"


def test_backslashes_and_group_names_in_a_value_stay_as_they_are() -> None:
    assert store({"SECRET_A": r"\1\g<0>\n"}).reveal("{{secrets.A}}") == r"\1\g<0>\n"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n\n", "s3cret\n"),
        (b" s3cret ", " s3cret "),
        ("pässwörd\n".encode(), "pässwörd"),
    ],
)
def test_a_file_gives_its_text_without_the_last_line_end(content: bytes, value: str, tmp_path: Path) -> None:
    (tmp_path / "PASSWORD").write_bytes(content)
    assert store(directory=tmp_path).reveal("{{secrets.PASSWORD}}") == value


def test_a_file_is_read_anew_each_time_as_kubernetes_rotates_it_in_place(tmp_path: Path) -> None:
    secrets = store(directory=tmp_path)
    (tmp_path / "PASSWORD").write_text("first")
    assert secrets.reveal("{{secrets.PASSWORD}}") == "first"
    (tmp_path / "PASSWORD").write_text("second")
    assert secrets.reveal("{{secrets.PASSWORD}}") == "second"
    assert secrets.mask.hide("first second") == "*** ***"


def test_the_environment_comes_before_the_directory(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("file")
    assert store({"SECRET_A": "environment"}, tmp_path).reveal("{{secrets.A}}") == "environment"


def test_a_blank_variable_leaves_the_word_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("file")
    assert store({"SECRET_A": ""}, tmp_path).reveal("{{secrets.A}}") == "file"


def test_a_missing_secret_is_named_with_both_places_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SecretNotFound) as caught:
        store({"SECRET_OTHER": "hunter2"}, tmp_path).reveal("{{secrets.PASSWORD}}")
    assert caught.value.message == (
        "The secret PASSWORD is not known to the worker; looked for the environment variable"
        f" SECRET_PASSWORD and the file {tmp_path / 'PASSWORD'}."
    )
    assert (caught.value.code, caught.value.is_retryable) == ("SECRET_NOT_FOUND", False)
    assert caught.value.details == {"secret": "PASSWORD"}


def test_without_a_directory_only_the_variable_is_named() -> None:
    with pytest.raises(SecretNotFound, match=r"looked for the environment variable SECRET_A\.$"):
        store().reveal("{{secrets.A}}")


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "..",
        ".",
        "...",
        ".hidden",
        "a/../../outside",
        "sub/inside",
        "/etc/hostname",
        "..%2foutside",
        "..\\outside",
        "a..b",
        "a\0b",
        "two words",
        "ünicode",
        "",
    ],
)
def test_a_name_that_could_leave_the_directory_is_refused_and_never_opened(name: str, tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "inside").write_text("inside")
    (directory / ".hidden").write_text("hidden")
    (tmp_path / "outside").write_text("outside")
    with pytest.raises(SecretNotFound, match="cannot name a secret"):
        store(directory=directory).reveal(f"{{{{secrets.{name}}}}}")


def test_a_directory_of_that_name_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    with pytest.raises(SecretNotFound):
        store(directory=tmp_path).reveal("{{secrets.A}}")


def test_a_file_that_is_not_text_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "A").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SecretNotFound):
        store(directory=tmp_path).reveal("{{secrets.A}}")


def test_a_revealed_value_is_masked_from_then_on() -> None:
    secrets = store({"SECRET_A": "hunter2"})
    assert secrets.mask.hide("hunter2") == "hunter2"
    secrets.reveal("{{secrets.A}}")
    assert secrets.mask.hide("535 bad password hunter2, hunter2!") == "535 bad password ***, ***!"


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
        (["abcd", "efgh"], "abcdefgh", "******"),
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


@pytest.mark.parametrize("length", range(3, 15))
@pytest.mark.parametrize("text", ["hunter2-and-more", encoded("hunter2-and-more")])
def test_a_piece_that_is_left_where_a_text_was_cut_is_hidden_too(text: str, length: int) -> None:
    mask = mask_of("hunter2-and-more")
    assert mask.hide(f"535 … you sent {text[:length]}…; check it") == "535 … you sent ***…; check it"


def test_many_signs_of_a_cut_are_linear_work() -> None:
    mask = mask_of(*(f"password-{number}" for number in range(1_000)))
    small, large = ("pass…" * count for count in (1_000, 1_000 * TIMES_LARGER))
    assert growth_of(lambda: mask.hide(small), lambda: mask.hide(large)) < LINEAR


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (" hunter2 ", "hunter2"),
        ("hunter2...", "hunter2"),
        ("two  words", "two words"),
        ("tab\there", "tab here"),
        ("tab\there", "tab\ufffdhere"),
        ("no\xa0break", "no break"),
    ],
)
def test_a_value_is_hidden_in_an_answer_that_was_made_one_printable_line(value: str, shown: str) -> None:
    assert mask_of(value).hide(f"535 bad password {shown}") == "535 bad password ***"


def test_a_sign_in_is_hidden_as_sasl_plain_encodes_it() -> None:
    mask = Mask()
    mask.learn_sign_in("alice", "hunter2")
    plain = encoded("\0alice\0hunter2")
    assert mask.hide(f"AUTH PLAIN {plain} alice hunter2") == "AUTH PLAIN *** alice ***"


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
    assert mask.hide_in({"a": "bad hunt…", "b": "fine…"}) == {"a": "bad ***…", "b": "fine…"}
    assert mask.hide_in({"a": "x", "b": "abc", "c": 1}) == {"a": "x", "b": "***", "c": 1}
    assert mask.hide_in({"a": "hun", "b": "ter2"}) == {"a": "hun", "b": "ter2"}


def test_what_is_not_json_is_masked_as_the_text_that_it_would_print_as() -> None:
    mask = mask_of("hunter2")
    assert mask.hide_in(ValueError("bad hunter2")) == "bad ***"
    assert mask.hide_in(b"hunter2") == "b'***'"
    assert mask.hide_in({"path": Path("/hunter2/x")}) == {"path": "/***/x"}


def test_a_thousand_values_are_known_and_learning_one_again_is_little_work() -> None:
    mask = mask_of(*(f"password-{number}" for number in range(1_000)))
    line = "550 5.7.1 <someone@example.com>: relay access denied, password-7 password-999"

    def learn_and_hide() -> None:
        mask.learn("password-7")
        assert mask.hide(line).endswith("denied, *** ***")

    # A pattern that is compiled again each time would take a hundred calls for each value.
    assert calls_of(learn_and_hide) < 20_000


def test_masking_a_large_text_is_linear_work() -> None:
    mask = mask_of(*(f"password-{number}" for number in range(100)))

    def hide(length: int) -> None:
        assert mask.hide("x" * length + "password-99") == "x" * length + "***"

    assert growth_of(lambda: hide(500_000), lambda: hide(500_000 * TIMES_LARGER)) < LINEAR


def test_the_oldest_values_are_forgotten_but_not_those_still_in_use() -> None:
    mask = mask_of("hunter2", "old-value")
    for number in range(1_500):
        mask.learn(f"password-{number}")
    mask.learn("hunter2")
    for number in range(1_500, 2_500):
        mask.learn(f"password-{number}")
    assert mask.hide("hunter2 old-value") == "*** old-value"
