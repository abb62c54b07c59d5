"""The syntax tree: each node is an expression that evaluates itself in a scope.

Operators of one rank form one flat node, so the tree is only as deep as the brackets in the source.
Other kinds of nodes: `chains`, `calls`, `iteration`, `input_tests`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal

from worker.feel.arithmetic import operate
from worker.feel.comparison import KINDS, compare, decide, range_between
from worker.feel.error import FeelError
from worker.feel.scope import Scope
from worker.feel.values import Function, FunctionContext, Value

Place = tuple[int, int]
_NO_ENTRIES: dict[str, Value] = {}


class Node(ABC):
    """Any expression."""

    __slots__ = ()

    @abstractmethod
    def evaluate(self, scope: Scope) -> Value:
        """Return the value; null if it has none."""


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant."""

    value: Value

    def evaluate(self, scope: Scope) -> Value:  # noqa: ARG002  one method for all nodes
        return self.value


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable."""

    name: str
    place: Place

    def evaluate(self, scope: Scope) -> Value:
        return scope.variable(self.name)


@dataclass(frozen=True, slots=True)
class Input(Node):
    """`?`: the value that an `in` tests."""

    place: Place

    def evaluate(self, scope: Scope) -> Value:
        value = scope.variable("?", self)
        if value is self:
            raise FeelError("'?' is only known in a test behind 'in'.", *self.place)
        return value


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]

    def evaluate(self, scope: Scope) -> Value:
        return tuple([item.evaluate(scope) for item in self.items])


@dataclass(frozen=True, slots=True)
class ContextOf(Node):
    """`{a: 1}`; an entry sees the entries before it."""

    entries: tuple[tuple[str, Node], ...]

    def evaluate(self, scope: Scope) -> Value:
        result: dict[str, Value] = {}
        functions: dict[str, Function] = {}
        frame: dict[str, Value] = {}
        inner = Scope(frame, scope, scope.run)
        for key, entry in self.entries:
            value = entry.evaluate(inner)
            if type(value) is Function:
                functions[key] = value
                # A new frame for what follows: a function sees only the entries before it.
                frame = {}
                inner = Scope(FunctionContext(_NO_ENTRIES, {key: value}), inner, scope.run)
                inner = Scope(frame, inner, scope.run)
            else:
                result[key] = frame[key] = value
        return FunctionContext(result, functions) if functions else result


@dataclass(frozen=True, slots=True)
class RangeOf(Node):
    """`[a..b]`, `(a..b)`."""

    start: Node
    end: Node
    has_start: bool
    has_end: bool

    def evaluate(self, scope: Scope) -> Value:
        start, end = self.start.evaluate(scope), self.end.evaluate(scope)
        return range_between(start, end, has_start=self.has_start, has_end=self.has_end)


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`a + b - c`: operators of one rank, from left to right."""

    first: Node
    rest: tuple[tuple[str, Node], ...]

    def evaluate(self, scope: Scope) -> Value:
        value = self.first.evaluate(scope)
        for operator, operand in self.rest:
            value = operate(operator, value, operand.evaluate(scope), scope.run)
        return value


@dataclass(frozen=True, slots=True)
class Negation(Node):
    """`-a`."""

    operand: Node

    def evaluate(self, scope: Scope) -> Value:
        value = self.operand.evaluate(scope)
        return -value if type(value) is Decimal else None


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`a < b` and the like; in a test like `> a` the left side is the input."""

    operator: str
    left: Node
    right: Node

    def evaluate(self, scope: Scope) -> Value:
        return compare(self.operator, self.left.evaluate(scope), self.right.evaluate(scope), scope.run)


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """`a and b and c`, or the same with `or`."""

    operator: str
    operands: tuple[Node, ...]

    def evaluate(self, scope: Scope) -> Value:
        values = (operand.evaluate(scope) for operand in self.operands)
        return decide(values, decisive=self.operator == "or")


@dataclass(frozen=True, slots=True)
class InstanceOf(Node):
    """`a instance of type`."""

    operand: Node
    type_name: str

    def evaluate(self, scope: Scope) -> Value:
        value = self.operand.evaluate(scope)
        return value is not None if self.type_name == "Any" else KINDS[type(value)] == self.type_name


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if a then b else c`."""

    condition: Node
    then: Node
    otherwise: Node

    def evaluate(self, scope: Scope) -> Value:
        chosen = self.then if self.condition.evaluate(scope) is True else self.otherwise
        return chosen.evaluate(scope)
