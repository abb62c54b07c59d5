"""What the names of an expression stand for, as far as the source shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from worker.feel.calls import FunctionOf


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables that an expression can see.

    `known`: those that always exist, each with the names of its entries (None: any). `others`: names
    that may exist too. `closed`: the known ones that have no further entries. `booleans`: the names of all
    entries of the known ones that are true or false; none of the known ones with entries is. `decides`:
    whether bpmnError() and the like have an effect.
    """

    known: Mapping[str, frozenset[str] | None]
    others: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    booleans: frozenset[str] = frozenset()
    decides: bool = True


class Kind(Enum):
    """What is known of a value that the source does not spell out."""

    DATA = "contains no functions, such as any JSON"
    ANY = "may be, or contain, any function"


# What is known of a value, or the function that it is, or the entries of a context that is spelled out.
Shape = Kind | FunctionOf | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """What is in scope: variables from outside, and what the expression itself defines.

    `is_filter`: whether the entries of unknown items are names too. `has_functions`: whether some of
    these may be functions.
    """

    variables: Variables
    defined: dict[str, Shape] = field(default_factory=dict)
    functions: dict[str, tuple[Shape, ...]] = field(default_factory=dict)
    is_filter: bool = False
    has_functions: bool = False

    def define(self, entries: Mapping[str, Shape]) -> Names:
        """Add variables, which hide those of the same name."""
        return replace(self, defined=self.defined | dict(entries))

    def define_entry(self, key: str, shape: Shape) -> Names:
        """Add an entry of a context; a function can only be called, it is no variable."""
        names = self if isinstance(shape, FunctionOf) else self.define({key: shape})
        if isinstance(shape, FunctionOf) or shape is Kind.ANY:
            functions = names.functions | {key: (shape, *names.functions.get(key, ()))}
            names = replace(names, functions=functions)
        return names

    def inside_filter(self, items: Shape) -> Names:
        """Return what is in scope in the condition of a filter of `items`."""
        has_functions = self.has_functions or items is not Kind.DATA
        names = replace(self, is_filter=True, has_functions=has_functions)
        return names.define({"item": joined([items])})

    def shape(self, name: str) -> Shape:
        """Return what is known of a variable's value."""
        return self.defined.get(name, Kind.ANY if self.has_functions else Kind.DATA)

    def is_closed(self, name: str) -> bool:
        """Whether a variable certainly has no other entries than the known ones."""
        return name in self.variables.closed - self.variables.others and name not in self.defined

    def entries(self, name: str) -> frozenset[str]:
        """Return the entries of a variable from outside that are known."""
        is_hidden = self.is_filter or name in self.defined
        return (None if is_hidden else self.variables.known.get(name)) or frozenset()

    def is_never_boolean(self, name: str, entry: str | None) -> bool:
        """Whether a variable, or an entry of it if one is given, is never true or false."""
        entries = self.entries(name)
        if entry is None:
            return bool(entries)
        return self.is_closed(name) and entry in entries - self.variables.booleans

    def is_boolean(self, name: str, entry: str | None) -> bool:
        """Whether a variable, or an entry of it if one is given, is true or false if it is there."""
        if self.is_filter or name in self.defined or name in self.variables.others:
            return False
        return (entry or name) in self.variables.booleans and (entry is None or entry in self.entries(name))

    def is_variable(self, name: str) -> bool:
        """Whether it is, or may be, the name of a variable."""
        return (
            self.is_filter or name in (*self.defined, *self.variables.known) or name in self.variables.others
        )


def joined(shapes: Iterable[Shape]) -> Shape:
    """Return what is known of a value that is any of these, or contains them."""
    return Kind.DATA if all(shape is Kind.DATA for shape in shapes) else Kind.ANY
