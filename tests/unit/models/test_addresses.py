from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.models.addresses import Address, parse_addresses


def test_one_address() -> None:
    assert parse_addresses("ann@example.org") == (Address("", "ann", "example.org"),)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ann <ann@example.org>", "Ann"),
        ("Ann Lee<ann@example.org>", "Ann Lee"),
        ('"Lee, Ann" <ann@example.org>', "Lee, Ann"),
        (r'"Ann \"the\" Lee" <ann@example.org>', 'Ann "the" Lee'),
        ('Ann "the" Lee <ann@example.org>', "Ann the Lee"),
        ('"<x@y>" <ann@example.org>', "<x@y>"),
        ("Ann Q. Lee <ann@example.org>", "Ann Q. Lee"),
        ("Ännchen 李 <ann@example.org>", "Ännchen 李"),
        ("<ann@example.org>", ""),
        ('"" <ann@example.org>', ""),
    ],
)
def test_an_address_with_a_name(text: str, name: str) -> None:
    assert parse_addresses(text) == (Address(name, "ann", "example.org"),)


@pytest.mark.parametrize(
    "value",
    [
        'Ann <ann@example.org>, "Doe, Bob" <bob@example.org> ,cid@example.org',
        ["Ann <ann@example.org>", '"Doe, Bob" <bob@example.org>', "cid@example.org"],
        ["Ann <ann@example.org>", '"Doe, Bob" <bob@example.org>,cid@example.org'],
    ],
)
def test_several_addresses(value: object) -> None:
    assert [(address.name, address.spec) for address in parse_addresses(value)] == [
        ("Ann", "ann@example.org"),
        ("Doe, Bob", "bob@example.org"),
        ("", "cid@example.org"),
    ]


@pytest.mark.parametrize(
    "spec",
    [
        "a.b+c=d_e@example.org",
        "ann@localhost",
        "ann@mail_server",
        "ann@ab--cd.example.org",
        '"ann lee"@example.org',
        '"a@b"@example.org',
        r'"a\"b"@example.org',
        "ann@[192.0.2.1]",
        "ann@[IPv6:2001:db8::1]",
    ],
)
def test_an_unusual_address_is_kept_as_it_is(spec: str) -> None:
    assert parse_addresses(f"Ann <{spec}>")[0].spec == spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann@Example.ORG", "ann@example.org"),
    ],
)
def test_a_domain_is_written_in_ascii(text: str, spec: str) -> None:
    assert parse_addresses(text)[0].spec == spec


def test_only_a_mailbox_beyond_ascii_needs_smtputf8() -> None:
    assert parse_addresses("jürgen@example.org")[0].needs_smtputf8
    assert parse_addresses("用户@example.org")[0].needs_smtputf8
    assert not parse_addresses("Jürgen <ann@bücher.example>")[0].needs_smtputf8


@pytest.mark.parametrize(
    "value",
    [
        "a b@c",
        "@x",
        "x@",
        "x",
        "a@@x",
        "a@x@y",
        "a..b@x",
        ".a@x",
        "a.@x",
        "a@x..y",
        "a@x.",
        "a@-x",
        "a@x y",
        "a@[192.0.2.1",
        "a@[300.0.0.1]",
        "a@[IPv6:::g]",
        "a@x; b@y",
        "Doe, Ann <a@x>",
        "<a@x",
        "a@x>",
        "<<a@x>>",
        "<a@x> Ann",
        "<a@x> <b@y>",
        '"Ann <a@x>',
        'Ann" <a@x>',
        '"a"b@x',
        f"a@{'x' * 64}",
        f"a@{'.'.join(['x' * 60] * 5)}",
    ],
)
def test_an_invalid_address_is_refused_and_shown(value: str) -> None:
    with pytest.raises(ValueError, match=r"^must .*found '") as caught:
        parse_addresses(value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a@x,", [("", "a@x")]),
        (",a@x", [("", "a@x")]),
        ("a@x,,b@y", [("", "a@x"), ("", "b@y")]),
        (["a@x", "", None, ["b@y", ["c@z"]]], [("", "a@x"), ("", "b@y"), ("", "c@z")]),
        ("a@x,\r\n b@y,\nc@z\r\n", [("", "a@x"), ("", "b@y"), ("", "c@z")]),
        ("Ann\r\n Lee <a@x>", [("Ann Lee", "a@x")]),
        ("Ann (Sales, Berlin) <a@x>, b@y", [("Ann (Sales, Berlin)", "a@x"), ("", "b@y")]),
        ("a@x (Ann Lee)", [("Ann Lee", "a@x")]),
        ("a(here (and there))@x", [("here (and there)", "a@x")]),
        ("a@x <b@y>", [("a@x", "b@y")]),
        ("friends: Ann <a@x>, b@y; , c@z", [("Ann", "a@x"), ("", "b@y"), ("", "c@z")]),
        ("undisclosed-recipients:;", []),
        ("a @ x.org", [("", "a@x.org")]),
        ("<@relay.example,@other.example:a@x>", [("", "a@x")]),
        ("a@[IPv6:2001:db8::1], friends: b@y;", [("", "a@[IPv6:2001:db8::1]"), ("", "b@y")]),
        ("", []),
        (",", []),
        ([], []),
        (None, []),
    ],
)
def test_addresses_that_mail_clients_accept_are_accepted(value: object, found: list[tuple[str, str]]) -> None:
    """RFC 5322 4.4; and lists as processes make them."""
    assert [(address.name, address.spec) for address in parse_addresses(value)] == found


@pytest.mark.parametrize("character", ["\0", "\x7f", "\x85", "\u2028"])
def test_control_characters_are_refused_wherever_they_are(character: str) -> None:
    for text in (
        f"ann{character}@example.org",
        f"Ann{character} <ann@example.org>",
        f'"Ann{character}" <ann@example.org>',
        f"ann@example.org{character}",
        f"ann@example.org, {character} bob@example.org",
    ):
        with pytest.raises(ValueError, match="control characters"):
            parse_addresses(text)


@pytest.mark.parametrize(
    "text", ["ann\r@example.org", "Ann\nBcc: <eve@x>", '"Ann\n" <a@x>', "a@x\r\nX-Evil: 1", "a@x\nb@x"]
)
def test_a_line_break_within_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line breaks within an address"):
        parse_addresses(text)


@pytest.mark.parametrize("character", ["\ufeff", "\u200b", "\u2060", "\u200e", "\u202a"])
def test_invisible_characters_are_taken_off_at_the_ends_and_refused_elsewhere(character: str) -> None:
    for text in (
        f"{character}ann@x.org{character}",
        f"Ann <{character}ann@x.org>",
        f" {character} ann@x.org",
    ):
        assert parse_addresses(text)[0].spec == "ann@x.org"
    for text in (f"an{character}n@x.org", f"ann{character}@x.org", f"ann@x{character}.org"):
        with pytest.raises(ValueError, match=f"U\\+{ord(character):04X}"):
            parse_addresses(text)


def test_how_long_a_local_part_may_be_is_for_the_server_to_say() -> None:
    assert parse_addresses(f"{'a' * 70}@example.org")
    assert parse_addresses(f"{'a' * 242}@example.org")
    with pytest.raises(ValueError, match="at most 254 octets"):
        parse_addresses(f"{'a' * 243}@example.org")


@pytest.mark.parametrize("value", [5, True, {"a": "b"}, [5], ["a@x", [True]]])
def test_an_address_that_is_not_text_is_refused_and_shown(value: object) -> None:
    with pytest.raises(ValueError, match="found"):
        parse_addresses(value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Doe, Ann <a@x>", "double quotes"),
        ("a@x;b@y", "commas between"),
        (["a@x", 5], r"found 5 at \[1\]"),
    ],
)
def test_a_common_mistake_is_explained(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_addresses(text)


@given(st.text(max_size=60))
@example('"\\" <a@x>')
@example("a@x" + "\\" * 40)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        addresses = parse_addresses(text)
    except ValueError as error:
        assert str(error).startswith(("must ", "may not "))  # noqa: PT017 - either outcome is right
        return
    for address in addresses:
        assert address.local
        assert address.domain.isascii()
        assert not set("\r\n\0") & set(address.name + address.spec)


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_any_name_comes_out_of_its_quotes_as_it_went_in(names: list[str]) -> None:
    quoted = [name.replace("\\", "\\\\").replace('"', '\\"') for name in names]
    addresses = parse_addresses(", ".join(f'"{name}" <ann@example.org>' for name in quoted))
    assert [address.name for address in addresses] == names


def test_a_long_hostile_text_is_refused_immediately() -> None:
    for text in ('"' * 50_000, "<" * 50_000, "a@" * 50_000, '"a' * 50_000 + "<", "\\" * 50_000 + "<a@x>"):
        with pytest.raises(ValueError, match="must"):
            parse_addresses(text)
