from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.mail.pop3.dot_lines import DotLines

pieces_of_an_answer = st.sampled_from(
    [b"a", b".", b"..", b"\n", b"\r\n", b"\r", b".\r", b".\r\n", b"\n.\r\n"]
)
answers = st.lists(pieces_of_an_answer, max_size=12).map(b"".join)


def read_by_line(answer: bytes) -> tuple[bytes, bytes | None]:
    """The lines before the final dot and what follows it; None where it does not come."""
    lines = split_at_line_feeds(answer)
    for place, line in enumerate(lines):
        if line in {b".\r\n", b".\n"}:
            return b"".join(map(without_dot, lines[:place])), b"".join(lines[place + 1 :])
    return b"".join(map(without_dot, lines)), None


def split_at_line_feeds(answer: bytes) -> list[bytes]:
    return [line + b"\n" for line in answer.split(b"\n")[:-1]] + [answer.split(b"\n")[-1]]


def without_dot(line: bytes) -> bytes:
    return line.removeprefix(b".")


def read_by_piece(answer: bytes, cuts: list[int]) -> tuple[bytes, bytes | None]:
    lines, read, at = DotLines(), b"", 0
    for cut in [*sorted(cut % (len(answer) + 1) for cut in cuts), len(answer)]:
        if at < cut:
            block, taken = lines.take(answer[at:cut])
            read += block
            at += taken
        if lines.is_over:
            return read, answer[at:]
    return read, None


@settings(max_examples=2_000, deadline=None)
@given(answers, st.lists(st.integers(0, 30), max_size=6))
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(answer: bytes, cuts: list[int]) -> None:
    lines, rest = read_by_line(answer)
    read, read_rest = read_by_piece(answer, cuts)
    assert read_rest == rest
    if rest is None:
        # What may be the beginning of the final dot is held back.
        assert lines.startswith(read)
        assert len(lines) - len(read) <= len(b"\r")
    else:
        assert read == lines


def test_only_what_belongs_to_the_answer_is_taken() -> None:
    lines = DotLines()
    assert lines.take(b"..one\r\n.two\r\n.\r\n+OK the next") == (b".one\r\ntwo\r\n", 16)
    assert lines.is_over


def test_an_answer_without_lines_is_over_at_once() -> None:
    lines = DotLines()
    assert lines.take(b".") == (b"", 1)
    assert lines.take(b"\r") == (b"", 1)
    assert not lines.is_over
    assert lines.take(b"\n") == (b"", 1)
    assert lines.is_over
