from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.errors import InputError, SecretNotFound
from worker.secret_store import SecretStore, check_directory


def store(environment: dict[str, str] | None = None, directory: Path | None = None) -> SecretStore:
    return SecretStore(environment or {}, prefix="SECRET_", directory=directory)


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
    assert store(environment).resolve(text) == expected


def test_a_value_that_looks_like_a_placeholder_is_not_replaced_again() -> None:
    secrets = store({"SECRET_A": "{{secrets.B}}", "SECRET_B": "deep"})
    assert secrets.resolve("{{secrets.A}}") == "{{secrets.B}}"


def test_two_values_that_form_a_placeholder_together_do_not_make_one() -> None:
    secrets = store({"SECRET_A": "{{secrets.", "SECRET_C": "C}}"})
    assert secrets.resolve("{{secrets.A}}{{secrets.C}}") == "{{secrets.C}}"


def test_backslashes_and_group_names_in_a_value_stay_as_they_are() -> None:
    assert store({"SECRET_A": r"\1\g<0>\n"}).resolve("{{secrets.A}}") == r"\1\g<0>\n"


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
    assert store(directory=tmp_path).resolve("{{secrets.PASSWORD}}") == value


def test_the_mark_that_editors_write_before_a_text_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "PASSWORD").write_bytes(b"\xef\xbb\xbfhunter2\r\n")
    assert store(directory=tmp_path).resolve("{{secrets.PASSWORD}}") == "hunter2"


def test_a_file_is_read_anew_each_time_as_kubernetes_rotates_it_in_place(tmp_path: Path) -> None:
    secrets = store(directory=tmp_path)
    (tmp_path / "PASSWORD").write_text("first")
    assert secrets.resolve("{{secrets.PASSWORD}}") == "first"
    (tmp_path / "PASSWORD").write_text("second")
    assert secrets.resolve("{{secrets.PASSWORD}}") == "second"
    assert secrets.mask.hide("first second") == "*** ***"


def test_the_environment_comes_before_the_directory(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("file")
    assert store({"SECRET_A": "environment"}, tmp_path).resolve("{{secrets.A}}") == "environment"


def test_a_blank_variable_leaves_the_word_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("file")
    assert store({"SECRET_A": ""}, tmp_path).resolve("{{secrets.A}}") == "file"


def test_a_missing_secret_is_named_with_both_places_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SecretNotFound) as caught:
        store({"SECRET_OTHER": "hunter2"}, tmp_path).resolve("{{secrets.PASSWORD}}")
    assert caught.value.message == (
        "The secret PASSWORD is not known to the worker; looked for the environment variable"
        f" SECRET_PASSWORD and the file {tmp_path / 'PASSWORD'}."
    )
    assert (caught.value.code, caught.value.is_retryable) == ("SECRET_NOT_FOUND", False)
    assert caught.value.details == {"secret": "PASSWORD"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"x" * 70_000, "is larger than 64 kB"),
    ],
)
def test_a_file_that_cannot_be_a_secret_is_named_with_what_is_wrong(
    content: bytes, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "PASSWORD").write_bytes(content)
    sentence = f"The secret PASSWORD cannot be used: the file {tmp_path / 'PASSWORD'} {fault}."
    secrets = store(directory=tmp_path)
    with pytest.raises(SecretNotFound) as caught:
        secrets.resolve("{{secrets.PASSWORD}}")
    assert caught.value.message == sentence
    assert secrets.faults() == [sentence]


def test_an_empty_variable_is_called_empty() -> None:
    with pytest.raises(SecretNotFound, match="the environment variable SECRET_A is empty"):
        store({"SECRET_A": ""}).resolve("{{secrets.A}}")


def test_the_names_of_all_secrets_are_listed_with_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "IMAP").write_text("x")
    (tmp_path / "BOTH").write_text("x")
    secrets = store({"SECRET_SMTP": "x", "SECRET_BOTH": "x", "SECRET_BLANK": "", "OTHER": "x"}, tmp_path)
    assert secrets.names() == {"IMAP": "file", "BOTH": "environment", "SMTP": "environment"}
    assert secrets.faults() == []


def test_without_a_directory_only_the_variable_is_named() -> None:
    with pytest.raises(SecretNotFound, match=r"looked for the environment variable SECRET_A\.$"):
        store().resolve("{{secrets.A}}")


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
        store(directory=directory).resolve(f"{{{{secrets.{name}}}}}")


def test_a_name_of_any_length_is_refused_in_a_short_sentence() -> None:
    with pytest.raises(SecretNotFound, match="cannot name a secret") as caught:
        store().resolve("{{secrets." + "n" * 1_000_000 + "}}")
    assert len(caught.value.message) < 200
    assert len(caught.value.details["secret"]) == 60


def test_a_directory_of_that_name_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    with pytest.raises(SecretNotFound):
        store(directory=tmp_path).resolve("{{secrets.A}}")


def test_a_pipe_of_that_name_is_no_secret_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "A")
    with pytest.raises(SecretNotFound, match="not known"):
        store(directory=tmp_path).resolve("{{secrets.A}}")


def test_a_directory_that_the_worker_may_not_enter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may enter every directory.
    monkeypatch.setattr("os.access", lambda path, mode: (path, mode) != (tmp_path, os.X_OK))
    with pytest.raises(
        InputError, match=r"EMAIL_WORKER_SECRETS_DIR: .* cannot be read by the worker's user\."
    ):
        check_directory(tmp_path)


def test_a_directory_whose_name_the_system_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"EMAIL_WORKER_SECRETS_DIR: .* cannot be used \(file name too long\)"
    ):
        check_directory(tmp_path / ("x" * 300))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be used \(not a directory\)"):
        check_directory(tmp_path / "file" / "secrets")


def test_a_file_that_is_not_text_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "A").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SecretNotFound):
        store(directory=tmp_path).resolve("{{secrets.A}}")


def test_a_resolved_value_is_masked_from_then_on() -> None:
    secrets = store({"SECRET_A": "hunter2"})
    assert secrets.mask.hide("hunter2") == "hunter2"
    secrets.resolve("{{secrets.A}}")
    assert secrets.mask.hide("535 bad password hunter2, hunter2!") == "535 bad password ***, ***!"
