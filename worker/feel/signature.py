"""Declares builtin functions, and calls them with checked arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from worker.feel.comparison import KINDS
from worker.feel.error import FeelError
from worker.feel.run import Run
from worker.feel.values import Months, Value

_TYPES = {name: frozenset(kind for kind in KINDS if KINDS[kind] == name) for name in KINDS.values()}
_TYPES |= {"days": frozenset({timedelta}), "months": frozenset({Months})}
_CHARACTERS_PER_STEP = 100
_Call = TypeVar("_Call", bound=Callable[..., Value])


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of the language: its parameters, the types each takes (None: any), and what it does.

    `aliases`: other names of parameters. `needs_run`: whether it is called with the run first.
    `is_strict`: whether an argument of a wrong type is an error; else the result is null.
    """

    name: str
    parameters: tuple[str, ...]
    accepted: tuple[frozenset[type] | None, ...]
    aliases: Mapping[str, str]
    is_variadic: bool
    needs_run: bool
    is_strict: bool
    call: Callable[..., Value]

    @property
    def required(self) -> frozenset[str]:
        """The parameters for which null, the value of an argument that is not named, is never right."""
        pairs = zip(self.parameters, self.accepted, strict=True)
        return frozenset(name for name, types in pairs if types is not None and type(None) not in types)

    def renamed(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the parameters that these names or aliases stand for."""
        return tuple(self.aliases.get(name, name) for name in names)

    def takes(self, count: int, names: tuple[str, ...] | None) -> bool:
        """Whether it can be called with so many arguments, or with arguments of these names."""
        if names is not None:
            return set(self.renamed(names)) <= set(self.parameters)
        return count == len(self.parameters) or (self.is_variadic and count > len(self.parameters))

    def arranged(self, values: tuple[Value, ...], names: tuple[str, ...] | None) -> tuple[Value, ...]:
        """Return one argument for each parameter; those of a variadic function become one list."""
        if names is not None:
            return in_order(self.parameters, self.renamed(names), values)
        if not self.is_variadic:
            return values
        fixed = len(self.parameters) - 1
        rest = values[fixed:]
        if not fixed and len(rest) == 1 and type(rest[0]) is tuple:
            return rest
        return (*values[:fixed], rest)

    def invoke(self, run: Run, values: tuple[Value, ...]) -> Value:
        """Call it and count the work; null if an argument has a type that it does not take."""
        for parameter, value, accepted in zip(self.parameters, values, self.accepted, strict=True):
            if accepted is not None and type(value) not in accepted:
                if self.is_strict:
                    raise self.wrong_type(parameter, value)
                return None
            run.spend(_cost(value))
        result = self.call(run, *values) if self.needs_run else self.call(*values)
        run.spend(_cost(result))
        return run.count_text(result) if type(result) is str else result

    def wrong_type(self, parameter: str, value: Value) -> FeelError:
        """Say which types this parameter takes, and which one it was given."""
        accepted = self.accepted[self.parameters.index(parameter)] or frozenset()
        wanted = " or ".join(sorted({KINDS[kind] for kind in accepted} - {"null"}))
        return FeelError(f"{self.name}() needs a {wanted} as its {parameter}, not a {KINDS[type(value)]}.")


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
    return 1 + len(value) if isinstance(value, (tuple, dict)) else 1


BUILTINS: dict[str, list[Builtin]] = {}
"""By name; several may share one and differ in their parameters. The modules of `functions` declare them."""


def builtin(
    name: str, *parameters: str, needs_run: bool = False, is_strict: bool = False
) -> Callable[[_Call], _Call]:
    """Declare a function: each parameter as `name` or `name/alias`, with `: type` or `: type | type`.

    Parameters behind an empty one may be left out, and a last one `name...` takes all arguments that
    are left, as a list. With `needs_run` the function is called with the run and then its arguments.
    """
    required = parameters.index("") if "" in parameters else len(parameters)
    names, accepted = zip(*map(_read, filter(None, parameters)), strict=True) if parameters else ((), ())

    def register(call: _Call) -> _Call:
        for count in range(required, len(names) + 1):
            declared = Builtin(
                name,
                tuple(each.partition("/")[0] for each in names[:count]),
                accepted[:count],
                {
                    alias: first
                    for first, _, alias in (each.partition("/") for each in names[:count])
                    if alias
                },
                is_variadic=any(each.endswith("...") for each in parameters),
                needs_run=needs_run,
                is_strict=is_strict,
                call=call,
            )
            BUILTINS.setdefault(name, []).append(declared)
        return call

    return register


def _read(parameter: str) -> tuple[str, frozenset[type] | None]:
    if parameter.endswith("..."):
        return parameter.removesuffix("..."), _TYPES["list"]
    name, _, types = parameter.partition(": ")
    return name, frozenset[type]().union(*(_TYPES[kind] for kind in types.split(" | "))) if types else None
