from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mail.imap.criteria import to_query, with_literals
from worker.models.search import Condition, Group, SearchField, SearchOperator, parse_criteria

if TYPE_CHECKING:
    from worker.models.search import Criterion

AND, OR = SearchOperator.AND, SearchOperator.OR


def line(criterion: Criterion | None, charset: str = "UTF-8") -> bytes:
    return b"|".join(with_literals(to_query(criterion), charset))


def subject(value: str) -> Condition:
    return Condition(SearchField.SUBJECT, value)


def test_nothing_finds_all() -> None:
    assert line(None) == b"ALL"


def test_keys_are_those_of_the_protocol() -> None:
    tree = Group(
        AND, (Condition(SearchField.FROM, "a"), Group(OR, (subject("b"), Condition(SearchField.BODY, "c"))))
    )
    assert line(tree) == b'(FROM "a" OR SUBJECT "b" BODY "c")'


def test_a_group_of_one_is_that_one() -> None:
    assert line(Group(AND, (Group(OR, (subject("a"),)),))) == b'SUBJECT "a"'


def test_quotes_and_backslashes_are_escaped_and_wildcards_are_not_special() -> None:
    assert line(subject('a "b" \\ * %')) == b'SUBJECT "a \\"b\\" \\\\ * %"'


def test_what_is_long_or_not_ascii_is_a_literal() -> None:
    assert line(Group(AND, (subject("ü"), subject("x" * 1001)))) == (
        b"(SUBJECT {2}|\xc3\xbc SUBJECT {1001}|" + b"x" * 1001 + b")"
    )
    assert line(subject("ü"), "ISO-8859-1") == b"SUBJECT {1}|\xfc"
    with pytest.raises(UnicodeEncodeError):
        line(subject("日"), "ISO-8859-1")


@pytest.mark.parametrize("value", ["a\tb", "a\x7fb", "\x01"])
def test_a_control_character_is_in_no_line_of_a_command(value: str) -> None:
    assert line(subject(value)) == b"SUBJECT {%d}|%b" % (len(value), value.encode())


def test_an_or_of_many_is_not_nested_deeply() -> None:
    text = line(Group(OR, tuple(subject(f"s{number}") for number in range(1000)))).decode()
    assert text.count("OR") == 999
    assert max(len(run) for run in re.findall(r"(?:OR )+", text)) <= len("OR ") * 10
    assert re.findall(r"s\d+", text) == [f"s{number}" for number in range(1000)]


@pytest.mark.parametrize(
    ("criteria", "keys"),
    [
        ({"field": "TO", "value": "a"}, b'TO "a"'),
        ({"field": "HEADER", "name": "In-Reply-To", "value": "1@x"}, b'HEADER "In-Reply-To" "1@x"'),
        ({"field": "SINCE", "value": "2026-01-02"}, b"SINCE 2-Jan-2026"),
        ({"field": "SENT_BEFORE", "value": "2026-11-27T10:00:00Z"}, b"SENTBEFORE 27-Nov-2026"),
        ({"field": "SEEN", "value": False}, b"UNSEEN"),
        ({"field": "LARGER", "value": "10"}, b"LARGER 10"),
        ({"operator": "NOT", "criteria": {"field": "ANSWERED"}}, b"NOT ANSWERED"),
    ],
)
def test_every_kind_of_condition_is_a_search_key(criteria: Any, keys: bytes) -> None:
    tree = parse_criteria(criteria)
    assert tree is not None
    assert line(tree) == keys


values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1)
trees = st.recursive(
    st.builds(Condition, st.sampled_from([SearchField.FROM, SearchField.SUBJECT, SearchField.BODY]), values),
    lambda members: st.builds(Group, st.sampled_from([AND, OR]), st.lists(members, min_size=1).map(tuple)),
    max_leaves=30,
)


@given(trees)
def test_any_tree_is_a_command_that_reads_back_as_the_same_tree(tree: Criterion) -> None:
    chunks = with_literals(to_query(tree), "UTF-8")
    assert _meaning(_Reader(chunks).read_all()) == _meaning_of(tree)


class _Reader:
    """Reads search keys as a server does, independently of how they were written."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._text, *self._rest = chunks

    def read_all(self) -> object:
        keys = []
        while self._text:
            keys.append(self._read_key())
            self._text = self._text.lstrip(b" ")
        return ("AND", keys)

    def _read_key(self) -> object:
        self._text = self._text.lstrip(b" ")
        if self._text.startswith(b"("):
            self._text = self._text[1:]
            keys = []
            while not self._text.startswith(b")"):
                keys.append(self._read_key())
            self._text = self._text[1:]
            return ("AND", keys)
        word, _, self._text = self._text.partition(b" ")
        if word == b"OR":
            return ("OR", [self._read_key(), self._read_key()])
        return (word.decode(), self._read_string())

    def _read_string(self) -> str:
        literal = re.match(rb"\{(\d+)\}$", self._text)
        if literal:
            self._text = self._rest.pop(0)
            size = int(literal.group(1))
            value, self._text = self._text[:size], self._text[size:]
            return value.decode()
        quoted = re.match(rb'"((?:[^"\\]|\\.)*)"', self._text)
        assert quoted
        self._text = self._text[quoted.end() :]
        return re.sub(rb"\\(.)", rb"\1", quoted.group(1)).decode()


def _meaning(key: object) -> object:
    """Flatten joins of the same kind and drop joins of one."""
    assert isinstance(key, tuple)
    kind, parts = key
    if kind not in {"AND", "OR"}:
        return key
    flat: list[object] = []
    for part in map(_meaning, parts):
        assert isinstance(part, tuple)
        flat += part[1] if part[0] == kind else [part]
    return flat[0] if len(flat) == 1 else (kind, flat)


def _meaning_of(tree: Criterion) -> object:
    def convert(node: Criterion) -> object:
        if isinstance(node, Condition):
            return (node.field.value, node.value)
        return (node.operator.value, [convert(member) for member in node.criteria])

    return _meaning(convert(tree))
