"""Parses statements, logic, comparisons and arithmetic; operands are parsed in `operands`."""

from __future__ import annotations

from worker.feel.input_tests import INPUT, In, InputInRange, InputTest
from worker.feel.iteration import Iteration, Steps
from worker.feel.lexer import END, RESERVED
from worker.feel.operands import OperandParser
from worker.feel.syntax import (
    Arithmetic,
    Comparison,
    If,
    InstanceOf,
    Literal,
    Logic,
    Name,
    Negation,
    Node,
    RangeOf,
)

_INPUT = Name(INPUT, (0, 0))
_RANKS = {"+": 0, "-": 0, "*": 1, "/": 1, "**": 2}
_OPERAND_SIGNS = {"(", "[", "{", "@", "?", "-", "<", "<=", ">", ">="}
_ORDER = {"<", "<=", ">", ">="}
_TEST_SIGNS = _ORDER | {"[", "]"}
_LONG_TYPES = (
    ("years", "and", "months", "duration"),
    ("days", "and", "time", "duration"),
    ("date", "and", "time"),
    ("function",),
)


class Parser(OperandParser):
    """Recursive descent; one method for each level of precedence, from loose to tight."""

    def parse(self) -> Node:
        """Read the whole source."""
        node = self.expression()
        if self.token.kind != END:
            raise self.error("Expected the end")
        return node

    def expression(self) -> Node:
        """Read an expression of the loosest precedence: a statement or a disjunction."""
        with self.nested():
            word = self.token.text
            if word == "if" and self._is_condition():
                return self._if()
            if word in {"for", "some", "every"} and self._is_iterator():
                return self._iteration()
            return self._disjunction()

    def _is_condition(self) -> bool:
        """Whether this `if` is the keyword: an operand follows. Else it is a variable of that name."""
        token = self.peek()
        if token.text in {"and", "or"}:
            return self.peek(2).text == "("
        if token.kind == "name":
            return token.text not in RESERVED or token.text in {"null", "true", "false", "function"}
        return token.kind in {"number", "string", "quoted"} or token.text in _OPERAND_SIGNS

    def _is_iterator(self) -> bool:
        return self.peek().kind in {"name", "quoted"} and self.peek(2).text == "in"

    def _if(self) -> Node:
        self.advance()
        condition = self.expression()
        self.expect("then")
        then = self.expression()
        self.expect("else")
        return If(condition, then, self.expression())

    def _iteration(self) -> Node:
        keyword = self.advance().text
        iterators = [self._iterator()]
        while self.accept(","):
            iterators.append(self._iterator())
        self.expect("return" if keyword == "for" else "satisfies")
        start = self.index
        body = self.expression()
        uses_partial = any(token.text == "partial" for token in self.tokens[start : self.index])
        return Iteration(keyword, tuple(iterators), body, uses_partial, self.index - start)

    def _iterator(self) -> tuple[str, Node]:
        name = self.name()
        self.expect("in")
        is_negated = self.token.text == "-" and self.peek().kind != "number"
        value = None if is_negated else self.operand(is_range_allowed=False)
        start = self.arithmetic(left=value)
        if self.accept(".."):
            return name, Steps(start, self.arithmetic())
        if start is not value:
            raise self.error("Expected '..'")
        return name, start

    def _disjunction(self, first: Node | None = None) -> Node:
        operands = [self._conjunction(first)]
        while self.accept("or"):
            operands.append(self._conjunction())
        return operands[0] if len(operands) == 1 else Logic("or", tuple(operands))

    def _conjunction(self, first: Node | None = None) -> Node:
        operands = [first or self._comparison()]
        while self.accept("and"):
            operands.append(self._comparison())
        return operands[0] if len(operands) == 1 else Logic("and", tuple(operands))

    def _comparison(self) -> Node:
        if self.token.text in _ORDER:
            return Comparison(self.advance().text, _INPUT, self.arithmetic())
        left = self.arithmetic(is_range_allowed=True)
        if isinstance(left, RangeOf):
            return InputInRange(left)
        token = self.token
        if token.kind == "operator" and (token.text in _ORDER or token.text in {"=", "!="}):
            self.advance()
            return Comparison(token.text, left, self.arithmetic())
        if self.accept("between"):
            low = self.arithmetic()
            self.expect("and")
            return Logic("and", (Comparison(">=", left, low), Comparison("<=", left, self.arithmetic())))
        if self.accept("instance"):
            self.expect("of")
            return InstanceOf(left, self._type_name())
        return In(left, self._tests()) if self.accept("in") else left

    def _type_name(self) -> str:
        for words in _LONG_TYPES:
            if self.comes(*words):
                self.index += len(words)
                return " ".join(words)
        words_of_name = [self.name()]
        while self.accept("."):
            words_of_name.append(self.name())
        return ".".join(words_of_name)

    def _tests(self) -> tuple[Node, ...]:
        """Read what stands behind `in`: a list of tests in round brackets, or one test."""
        if self.token.text != "(":
            return (self._test(is_single=True),)
        opening = self.advance()
        first = self._test()
        if self.token.text == ".." and isinstance(first, InputTest):
            return (InputInRange(self.range_end(opening, first.expression)),)
        tests = [first]
        while self.accept(","):
            tests.append(self._test())
        self.expect(")")
        return tuple(tests)

    def _test(self, *, is_single: bool = False) -> Node:
        if self.token.text in {"true", "false"} and self.peek().kind == END:
            return Comparison("=", _INPUT, Literal(self.advance().text == "true"))
        inputs = self.inputs
        node = self._single_test() if is_single and self.token.text in _TEST_SIGNS else self.expression()
        if _is_simple(node):
            return node
        uses_input, self.inputs = self.inputs > inputs, inputs
        return InputTest(node, uses_input)

    def _single_test(self) -> Node:
        """Read a test without brackets: behind a range or `> a`, `and` and `or` are not part of it."""
        with self.nested():
            first = self._comparison()
            return first if _is_simple(first) else self._disjunction(first)

    def arithmetic(self, rank: int = 0, *, left: Node | None = None, is_range_allowed: bool = False) -> Node:
        """Read operators of at least this rank, perhaps behind a `left` that is read already.

        With `is_range_allowed` there may be a range instead.
        """
        if left is None and self.accept("-"):
            left = Negation(self.operand(is_range_allowed=False))
        left = left or self.operand(is_range_allowed=is_range_allowed)
        while not isinstance(left, RangeOf) and (found := _RANKS.get(self.token.text, -1)) >= rank:
            rest = []
            while _RANKS.get(self.token.text) == found:
                operator = self.advance().text
                rest.append((operator, self.arithmetic(found + 1)))
            left = Arithmetic(left, tuple(rest))
        return left


def _is_simple(test: Node) -> bool:
    return isinstance(test, InputInRange) or (isinstance(test, Comparison) and test.left == _INPUT)
