"""Parses operands: literals, names, calls, lists, contexts, ranges, paths and filters."""

from __future__ import annotations

from abc import ABC, abstractmethod

from worker.feel.calls import Call, FunctionOf
from worker.feel.chains import Chain, Filter, Key
from worker.feel.input_tests import InputInRange
from worker.feel.lexer import END, RESERVED, Token, TokenReader, unescape
from worker.feel.syntax import ContextOf, Input, ListOf, Literal, Name, Negation, Node, RangeOf
from worker.feel.temporal import parse_temporal
from worker.feel.values import number_of

_CONSTANTS = {"null": None, "true": True, "false": False}
_NAMES_WITH_RESERVED_WORDS = (
    ("date", "and", "time"),
    ("years", "and", "months", "duration"),
    ("get", "or", "else"),
    ("and",),
    ("or",),
)
_NOT_IN_FUNCTION_NAMES = RESERVED | {"between"}
_BEHIND_RANGES = {")", "]", ",", "}", "and", "or", "then", "else", "return"}
_NOT_IN_KEYS = {'"', "{", "}", ":", ",", "[", "]", "`"}


class OperandParser(TokenReader, ABC):
    """The part of the grammar that stands between operators."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.inputs = 0
        self._is_in_range_end = False

    @abstractmethod
    def expression(self) -> Node:
        """Read an expression of the loosest precedence."""

    @abstractmethod
    def arithmetic(self) -> Node:
        """Read an expression that has no comparison at its top."""

    def operand(self, *, is_range_allowed: bool) -> Node:
        """Read a value and the paths and filters behind it."""
        base = self._terminal(is_range_allowed=is_range_allowed)
        if isinstance(base, RangeOf):
            return base
        steps: list[Key | Filter] = []
        while True:
            if self.accept("."):
                steps.append(Key(self._key_of_path()))
            elif self.token.text == "[" and not self._closes_range():
                steps.append(self._filter())
            else:
                return Chain(base, tuple(steps)) if steps else base

    def _closes_range(self) -> bool:
        """Whether this `[` is the open end of a range like `]1..5[`: no operand follows it."""
        return self._is_in_range_end and (self.peek().kind == END or self.peek().text in _BEHIND_RANGES)

    def _key_of_path(self) -> str:
        if self.comes("time", "offset"):
            self.index += 2
            return "time offset"
        return self.name()

    def _filter(self) -> Filter:
        self.expect("[")
        start = self.index
        condition = self.expression()
        self.expect("]")
        return Filter(condition, self.index - start)

    def _terminal(self, *, is_range_allowed: bool) -> Node:
        token = self.token
        if token.kind == "number" or (token.text == "-" and self.peek().kind == "number"):
            return self._number()
        if token.kind == "string":
            return Literal(unescape(self.advance().text))
        if token.kind in {"name", "quoted"}:
            return self._word()
        if token.text in {"[", "(", "]"}:
            return self._bracket(is_range_allowed=is_range_allowed)
        if self.accept("{"):
            return self._context()
        if self.accept("@"):
            return self._temporal()
        if self.accept("?"):
            self.inputs += 1
            return Input(self.place(token.start))
        raise self.error("Expected a value")

    def _number(self) -> Node:
        is_negative = self.accept("-")
        number = number_of(self.advance().text)
        return Negation(Literal(number)) if is_negative else Literal(number)

    def _temporal(self) -> Node:
        if self.token.kind != "string":
            raise self.error("Expected a text in quotes behind @")
        return Literal(parse_temporal(self.advance().text[1:-1]))

    def _bracket(self, *, is_range_allowed: bool) -> Node:
        opening = self.advance()
        if opening.text == "[" and self.accept("]"):
            return ListOf(())
        first = self.expression()
        if is_range_allowed and (self.token.text == ".." or opening.text == "]"):
            return self.range_end(opening, first)
        if opening.text == "(":
            self.expect(")")
            return first
        items = [first]
        while self.accept(","):
            items.append(self.expression())
        self.expect("]")
        return ListOf(tuple(items))

    def range_end(self, opening: Token, start: Node) -> RangeOf:
        """Read `..`, the end of a range and its bracket."""
        self.expect("..")
        self._is_in_range_end = True
        end = self.arithmetic()
        self._is_in_range_end = False
        closing = self.token.text
        if closing not in {")", "[", "]"}:
            raise self.error("Expected the end of the range")
        self.advance()
        return RangeOf(start, end, has_start=opening.text == "[", has_end=closing == "]")

    def _context(self) -> Node:
        entries: list[tuple[str, Node]] = []
        while not self.accept("}"):
            if entries:
                self.expect(",")
            key = self._entry_key()
            self.expect(":")
            entries.append((key, self.expression()))
        return ContextOf(tuple(entries))

    def _entry_key(self) -> str:
        """Read a key: in quotes or backticks, or any text up to the colon."""
        if self.token.kind in {"string", "quoted"}:
            return self.advance().text[1:-1]
        start = self.token
        last = None
        while self.token.kind not in {END, "string", "quoted"} and self.token.text not in _NOT_IN_KEYS:
            last = self.advance()
        if last is None:
            raise self.error("Expected the name of an entry")
        return self.text[start.start : last.end]

    # --- names and calls ---

    def _word(self) -> Node:
        words = self._call_words()
        if words:
            place = self.place(self.token.start)
            name = self.text[self.token.start : self.peek(words - 1).end]
            self.index += words
            return self._call((), name, place)
        text = self.token.text
        if text == "function":
            return self._function()
        if text in _CONSTANTS:
            self.advance()
            return Literal(_CONSTANTS[text])
        return self._path_or_call()

    def _call_words(self) -> int:
        """Count the words of a function name that is followed by `(`; 0 if this is no call by such a name."""
        for words in _NAMES_WITH_RESERVED_WORDS:
            if self.comes(*words, "("):
                return len(words)
        count = 0
        while self.peek(count).kind == "name" and self.peek(count).text not in _NOT_IN_FUNCTION_NAMES:
            count += 1
        return count if count and self.peek(count).text == "(" else 0

    def _path_or_call(self) -> Node:
        place = self.place(self.token.start)
        names = [self.name()]
        while self.token.text == ".":
            self.advance()
            names.append(self._key_of_path())
        if self.token.text == "(":
            return self._call(tuple(names[:-1]), names[-1], place)
        base = Name(names[0], place)
        return Chain(base, tuple(map(Key, names[1:]))) if len(names) > 1 else base

    def _call(self, path: tuple[str, ...], name: str, place: tuple[int, int]) -> Node:
        self.expect("(")
        if self.accept(")"):
            return Call(path, name, (), None, place)
        names: list[str] | None = [] if self._is_named_argument() else None
        arguments = [self._argument(names)]
        while self.accept(","):
            arguments.append(self._argument(names))
        self.expect(")")
        return Call(path, name, tuple(arguments), None if names is None else tuple(names), place)

    def _is_named_argument(self) -> bool:
        count = 0
        while self.peek(count).kind == "name":
            count += 1
        return self.peek(count or (self.token.kind == "quoted")).text == ":"

    def _argument(self, names: list[str] | None) -> Node:
        if names is not None:
            names.append(self._parameter())
            self.expect(":")
        node = self.expression()
        return node.range if isinstance(node, InputInRange) else node

    def _parameter(self) -> str:
        words = [self.name()]
        while self.token.kind == "name" and self.token.text not in RESERVED:
            words.append(self.advance().text)
        return " ".join(words)

    def _function(self) -> Node:
        self.advance()
        self.expect("(")
        parameters: list[str] = []
        while not self.accept(")"):
            if parameters:
                self.expect(",")
            parameters.append(self._parameter())
        start = self.index
        body = self.expression()
        return FunctionOf(tuple(parameters), body, self.index - start)
