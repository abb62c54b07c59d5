"""The syntax tree. Chains are flat, so its depth is the depth of brackets in the source.

`weight` is the number of tokens of a part that may run many times: what one run of it costs.
"""

from __future__ import annotations

from dataclasses import dataclass

from worker.feel.values import Value

Place = tuple[int, int]

INPUT = "cellInput"
"""The variable that holds the input of a test, named as in the reference."""


class Node:
    """Any expression."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant."""

    value: Value


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Input(Node):
    """`?`: the value that an `in` tests."""

    place: Place


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ContextOf(Node):
    """`{a: 1}`; an entry sees the entries before it."""

    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class RangeOf(Node):
    """`[a..b]`, `(a..b)`."""

    start: Node
    end: Node
    has_start: bool
    has_end: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A step `.name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Filter:
    """A step `[condition]`."""

    condition: Node
    weight: int


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """A value and the steps into it: `a.b[c > 1].d`."""

    base: Node
    steps: tuple[Key | Filter, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`a + b - c`: operators of one rank, from left to right."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Negation(Node):
    """`-a`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`a < b` and the like; in a test like `> a` the left side is the input."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """`a and b and c`, or the same with `or`."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class InstanceOf(Node):
    """`a instance of type`."""

    operand: Node
    type_name: str


@dataclass(frozen=True, slots=True)
class In(Node):
    """`a in (tests)`."""

    operand: Node
    tests: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class InputInRange(Node):
    """A range as a test."""

    range: RangeOf


@dataclass(frozen=True, slots=True)
class InputTest(Node):
    """Any other expression as a test; `uses_input` if it names the input as `?`."""

    expression: Node
    uses_input: bool


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if a then b else c`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Steps(Node):
    """`a..b` in an iterator."""

    start: Node
    end: Node


@dataclass(frozen=True, slots=True)
class Iteration(Node):
    """`for`, `some` and `every` over one or more lists."""

    keyword: str
    iterators: tuple[tuple[str, Node], ...]
    body: Node
    uses_partial: bool
    weight: int


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`f(a, b)` or `f(x: a, y: b)`; with a `path`, a function of that context."""

    path: tuple[str, ...]
    name: str
    arguments: tuple[Node, ...]
    names: tuple[str, ...] | None
    place: Place


@dataclass(frozen=True, slots=True)
class FunctionOf(Node):
    """`function(a, b) body`."""

    parameters: tuple[str, ...]
    body: Node
    weight: int
