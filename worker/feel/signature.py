"""Builtin functions: how they are declared, found and called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TypeVar

from worker.feel.run import Run
from worker.feel.values import Function, FunctionContext, Months, Range, Value, ZonedTime

_TYPES: dict[str, frozenset[type]] = {
    "string": frozenset({str}),
    "number": frozenset({Decimal}),
    "boolean": frozenset({bool}),
    "list": frozenset({tuple}),
    "context": frozenset({dict, FunctionContext}),
    "date": frozenset({date}),
    "time": frozenset({time, ZonedTime}),
    "date and time": frozenset({datetime}),
    "days": frozenset({timedelta}),
    "months": frozenset({Months}),
    "range": frozenset({Range}),
    "function": frozenset({Function}),
    "null": frozenset({type(None)}),
}
_CHARACTERS_PER_STEP = 100
_Call = TypeVar("_Call", bound=Callable[..., Value])


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of the language: its parameters, the types each takes (None: any), and what it does."""

    parameters: tuple[str, ...]
    accepted: tuple[frozenset[type] | None, ...]
    is_variadic: bool
    call: Callable[..., Value]

    def takes(self, count: int, names: tuple[str, ...] | None) -> bool:
        """Whether it can be called with so many arguments, or with arguments of these names."""
        if names is not None:
            return set(names) <= set(self.parameters)
        return count == len(self.parameters) or (self.is_variadic and count > len(self.parameters))

    def arranged(self, values: tuple[Value, ...], names: tuple[str, ...] | None) -> tuple[Value, ...]:
        """Return one argument for each parameter; those of a variadic function become one list."""
        if names is not None:
            return in_order(self.parameters, names, values)
        if not self.is_variadic:
            return values
        fixed = len(self.parameters) - 1
        rest = values[fixed:]
        if not fixed and len(rest) == 1 and type(rest[0]) is tuple:
            return rest
        return (*values[:fixed], rest)

    def invoke(self, run: Run, values: tuple[Value, ...]) -> Value:
        """Call it and count the work; null if an argument has a type that it does not take."""
        for value, accepted in zip(values, self.accepted, strict=True):
            if accepted is not None and type(value) not in accepted:
                return None
            run.spend(_cost(value))
        result = self.call(run, *values)
        run.spend(_cost(result))
        return run.hold(result) if type(result) is str else result


def in_order(
    parameters: tuple[str, ...], names: tuple[str, ...] | None, values: tuple[Value, ...]
) -> tuple[Value, ...]:
    """Put named arguments in the order of the parameters; the missing ones are null."""
    if names is None:
        return values
    given = dict(zip(names, values, strict=True))
    return tuple(map(given.get, parameters))


def _cost(value: Value) -> int:
    if type(value) is str:
        return 1 + len(value) // _CHARACTERS_PER_STEP
    return 1 + len(value) if type(value) in (tuple, dict, FunctionContext) else 1


class Library:
    """Builtins by name; several may share one name and differ in their parameters."""

    def __init__(self) -> None:
        self.functions: dict[str, list[Builtin]] = {}

    def add(self, name: str, *parameters: str) -> Callable[[_Call], _Call]:
        """Declare a function: each parameter as `name`, `name: type` or `name: type | type`.

        A last parameter `name...` takes all arguments that are left, as a list. The function is called
        with the run and then its arguments.
        """

        def register(call: _Call) -> _Call:
            names, accepted = zip(*map(_read, parameters), strict=True) if parameters else ((), ())
            is_variadic = bool(parameters) and parameters[-1].endswith("...")
            self.functions.setdefault(name, []).append(Builtin(names, accepted, is_variadic, call))
            return call

        return register


def _read(parameter: str) -> tuple[str, frozenset[type] | None]:
    if parameter.endswith("..."):
        return parameter.removesuffix("..."), _TYPES["list"]
    name, _, types = parameter.partition(": ")
    return name, frozenset[type]().union(*(_TYPES[kind] for kind in types.split(" | "))) if types else None
