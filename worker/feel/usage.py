"""Finds values that are used as what they never are: a text as a number, an outcome as an operand.

FEEL gives null or false there, without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from worker.feel.calls import Call
from worker.feel.chains import Chain, Filter, Key
from worker.feel.error import FeelError
from worker.feel.functions.outcomes import OUTCOMES
from worker.feel.signature import Builtin
from worker.feel.syntax import (
    Arithmetic,
    Comparison,
    ContextOf,
    If,
    ListOf,
    Literal,
    Logic,
    Name,
    Node,
    Place,
)
from worker.feel.values import Value

_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,}")


def check_quotes(unknown: Name) -> None:
    """Refuse an unknown name that is written like a code or a duration: its quotes were forgotten."""
    if _CODE.fullmatch(unknown.name):
        raise FeelError(
            f"There is no variable '{unknown.name}'; write \"{unknown.name}\" for a text.", *unknown.place
        )


def check_types(call: Call, builtin: Builtin) -> None:
    """Refuse a constant, list or context as an argument that is never of that type."""
    arguments = builtin.arranged(call.arguments, call.names)
    for parameter, argument, accepted in zip(builtin.parameters, arguments, builtin.accepted, strict=True):
        value = _sample(argument)
        if accepted is not None and value is not None and type(value) not in accepted:
            raise builtin.wrong_type(parameter, value).at(*call.place)


def _sample(node: Node) -> Value:
    """Return a value of the type that the node always gives, null if that is not known."""
    if isinstance(node, Literal):
        return node.value
    return () if isinstance(node, ListOf) else {} if isinstance(node, ContextOf) else None


def check_operands(
    node: Node, operands: Iterable[Node], is_never_boolean: Callable[[str, str | None], bool]
) -> None:
    """Refuse outcomes as operands, and as conditions also variables or their entries that are no booleans.

    `is_never_boolean` tells it of a variable, or of an entry of it.
    """
    if isinstance(node, If):
        operands = (node.condition,)
    elif not isinstance(node, Logic | Arithmetic) and not (isinstance(node, Call) and node.name == "not"):
        return
    for operand in operands:
        if isinstance(operand, Call) and operand.name in OUTCOMES and not operand.path:
            raise FeelError(
                f"{operand.name}() cannot be a condition or an operand;"
                f" write if … then {operand.name}(…) else null.",
                *operand.place,
            )
        base, entry = _path(operand)
        if base and not isinstance(node, Arithmetic) and is_never_boolean(base.name, entry):
            name = _written(base, entry)
            raise FeelError(
                f"'{name}' is never true or false; compare it, as in {name} != null.", *base.place
            )


def check_filter(step: Filter, place: Place) -> None:
    """Refuse a text as a filter: an entry of a context is written with a point."""
    if isinstance(step.condition, Literal) and isinstance(step.condition.value, str):
        name = step.condition.value
        raise FeelError(f'["{name}"] finds nothing; write .{name} for an entry.', *place)


def check_compared(node: Node, is_boolean: Callable[[str, str | None], bool]) -> None:
    """Refuse to compare a text with what is true or false, as `is_boolean` tells it of a variable's entry."""
    if not isinstance(node, Comparison):
        return
    operands = (node.left, node.right)
    for operand, other in zip(operands, reversed(operands), strict=True):
        base, entry = _path(operand)
        is_text = isinstance(other, Literal) and isinstance(other.value, str)
        if base and is_text and is_boolean(base.name, entry):
            text = (
                f"'{_written(base, entry)}' is true or false and no text; write true or false without quotes."
            )
            raise FeelError(text, *base.place)


def _path(node: Node) -> tuple[Name | None, str | None]:
    """Return the variable and the entry of `a` or `a.b`."""
    match node:
        case Name():
            return node, None
        case Chain(base=Name() as base, steps=(Key(name=entry),)):
            return base, entry
    return None, None


def _written(base: Name, entry: str | None) -> str:
    return f"{base.name}.{entry}" if entry else base.name
