"""Finds slips that can only give null, before an expression is evaluated: misspelt names, wrong arguments.

FEEL itself gives null for them, and in an error expression null means "no error". What a name stands for
is followed as far as the source shows it; where it does not, a call is taken to be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from worker.feel.calls import Call, FunctionOf
from worker.feel.chains import Chain, Filter, Key
from worker.feel.comparison import KINDS
from worker.feel.error import FeelError
from worker.feel.functions import BUILTINS, find_builtin
from worker.feel.functions.outcomes import OUTCOMES
from worker.feel.iteration import Iteration
from worker.feel.signature import Builtin
from worker.feel.syntax import ContextOf, InstanceOf, Name, Node, Place
from worker.feel.usage import check_compared, check_filter, check_operands, check_quotes, check_types

_CLOSENESS = 0.75
# So many names help in a message.
_FEW = 8
_UNKNOWN_PLACE = (0, 0)
_CONSTANTS = ("true", "false", "null")
_TYPES = frozenset({*KINDS.values(), "Any"})


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


class _Kind(Enum):
    """What is known of a value that the source does not spell out."""

    DATA = "contains no functions, such as any JSON"
    ANY = "may be, or contain, any function"


# What is known of a value, or the function that it is, or the entries of a context that is spelled out.
_Shape = _Kind | FunctionOf | dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Names:
    """What is in scope: variables from outside, and what the expression itself defines.

    `is_filter`: whether the entries of unknown items are names too. `has_functions`: whether some of
    these may be functions.
    """

    variables: Variables
    defined: dict[str, _Shape] = field(default_factory=dict)
    functions: dict[str, tuple[_Shape, ...]] = field(default_factory=dict)
    is_filter: bool = False
    has_functions: bool = False

    def define(self, entries: Mapping[str, _Shape]) -> _Names:
        return replace(self, defined=self.defined | dict(entries))

    def define_entry(self, key: str, shape: _Shape) -> _Names:
        """Add an entry of a context; a function can only be called, it is no variable."""
        names = self if isinstance(shape, FunctionOf) else self.define({key: shape})
        if isinstance(shape, FunctionOf) or shape is _Kind.ANY:
            functions = names.functions | {key: (shape, *names.functions.get(key, ()))}
            names = replace(names, functions=functions)
        return names

    def inside_filter(self, items: _Shape) -> _Names:
        has_functions = self.has_functions or items is not _Kind.DATA
        names = replace(self, is_filter=True, has_functions=has_functions)
        return names.define({"item": _joined([items])})

    def shape(self, name: str) -> _Shape:
        return self.defined.get(name, _Kind.ANY if self.has_functions else _Kind.DATA)

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
        is_known = name not in self.variables.others and (
            name in self.variables.known and not self.is_filter and name not in self.defined
            if entry is None
            else entry in self.entries(name)
        )
        return is_known and (entry or name) in self.variables.booleans

    def is_variable(self, name: str) -> bool:
        return (
            self.is_filter or name in (*self.defined, *self.variables.known) or name in self.variables.others
        )


def check(tree: Node, variables: Variables) -> None:
    """Raise FeelError, with the place and the right form, at the first slip.

    A variable that is not among `variables` is a slip if it is spelled like one that always exists or
    like a function; others may exist.
    """
    _visit(tree, _Names(variables))


def _visit(node: Node, names: _Names) -> _Shape:
    """Check a node and the nodes inside it; return what is known of its value."""
    check_operands(node, _children(node), names.is_never_boolean)
    check_compared(node, names.is_boolean)
    match node:
        case Name():
            return _visit_name(node, names)
        case ContextOf():
            return _visit_context(node, names)
        case FunctionOf():
            _visit(node.body, names.define(dict.fromkeys(node.parameters, _Kind.ANY)))
            return node
        case Iteration():
            return _visit_iteration(node, names)
        case Chain():
            return _visit_chain(node, names)
        case Call():
            return _visit_call(node, names)
        case InstanceOf(type_name=name) if name not in _TYPES:
            close = _closest(name, _TYPES)
            raise FeelError(f"There is no type '{name}'" + (f"; did you mean {close}?" if close else "."))
        case _:
            return _joined([_visit(child, names) for child in _children(node)])


def _children(value: Any) -> Iterator[Node]:
    """Yield the nodes directly inside a node; a list of operators and operands contains pairs."""
    parts = [getattr(value, each.name) for each in fields(value)] if is_dataclass(value) else value
    for part in parts:
        if isinstance(part, Node):
            yield part
        elif isinstance(part, tuple):
            yield from _children(part)


def _joined(shapes: Iterable[_Shape]) -> _Shape:
    return _Kind.DATA if all(shape is _Kind.DATA for shape in shapes) else _Kind.ANY


def _visit_name(node: Name, names: _Names) -> _Shape:
    if not names.is_variable(node.name):
        if node.name in BUILTINS or node.name in names.functions:
            forms = _forms(node.name, names)
            raise FeelError(f"'{node.name}' is a function and must be called; write {forms}.", *node.place)
        close = _closest(node.name, (*names.variables.known, *_CONSTANTS))
        if close:
            raise FeelError(f"There is no variable '{node.name}'; did you mean {close}?", *node.place)
        check_quotes(node)
    return names.shape(node.name)


def _visit_context(node: ContextOf, names: _Names) -> _Shape:
    entries: dict[str, _Shape] = {}
    for key, entry in node.entries:
        entries[key] = _visit(entry, names)
        names = names.define_entry(key, entries[key])
    return entries if _joined(entries.values()) is _Kind.ANY else _Kind.DATA


def _visit_iteration(node: Iteration, names: _Names) -> _Shape:
    items = {name: _joined([_visit(source, names)]) for name, source in node.iterators}
    result = _visit(node.body, names.define({"partial": _Kind.ANY, **items}))
    return _joined([result]) if node.keyword == "for" else _Kind.DATA


def _visit_chain(node: Chain, names: _Names) -> _Shape:
    place = node.base.place if isinstance(node.base, Name) else _UNKNOWN_PLACE
    shape = _visit(node.base, names)
    _check_entry(node, names, place)
    for step in node.steps:
        if isinstance(step, Filter):
            check_filter(step, place)
            _visit(step.condition, names.inside_filter(shape))
            shape = _joined([shape])
            continue
        shape = _entry(shape, step.name)
        if isinstance(shape, FunctionOf):
            raise FeelError(f"'{step.name}' is a function and must be called.", *place)
    return shape


def _check_entry(node: Chain, names: _Names, place: Place) -> None:
    """Check the first step into a variable whose entries are known."""
    if not isinstance(node.base, Name) or not isinstance(node.steps[0], Key):
        return
    owner, entry = node.base.name, node.steps[0].name
    entries = names.entries(owner)
    if not entries or entry in entries:
        return
    close = _closest(entry, entries)
    if close:
        raise FeelError(f"'{owner}' has no entry '{entry}'; did you mean {owner}.{close}?", *place)
    if names.is_closed(owner):
        known = f"it has {', '.join(sorted(entries))}" if len(entries) <= _FEW else "check its name"
        raise FeelError(f"'{owner}' has no entry '{entry}'; {known}.", *place)


def _entry(shape: _Shape, name: str) -> _Shape:
    if isinstance(shape, dict):
        found: _Shape = shape.get(name, _Kind.DATA)
        return found
    return _Kind.DATA if isinstance(shape, FunctionOf) else shape


def _visit_call(node: Call, names: _Names) -> _Shape:
    arguments = [_visit(argument, names) for argument in node.arguments]
    if node.path:
        owner = names.shape(node.path[0])
        for name in (*node.path[1:], node.name):
            owner = _entry(owner, name)
        functions: tuple[_Shape, ...] = () if owner is _Kind.DATA else (owner,)
    else:
        functions = names.functions.get(node.name, ())
        functions += (_Kind.ANY,) * names.has_functions
    if any(_takes(function, node) for function in functions):
        return _Kind.ANY
    builtin = None if node.path else _builtin_of(node)
    if builtin is None:
        raise FeelError(_wrong_call(node, functions, names), *node.place)
    check_types(node, builtin)
    if node.name in OUTCOMES and not names.variables.decides:
        raise FeelError(f"{node.name}() has an effect only in an error expression.", *node.place)
    return _joined(arguments)


def _takes(function: _Shape, node: Call) -> bool:
    if isinstance(function, FunctionOf):
        return _is_unique(node.names) and node.fits(function.parameters)
    return function is _Kind.ANY


def _is_unique(names: tuple[str, ...] | None) -> bool:
    return names is None or len(set(names)) == len(names)


def _builtin_of(node: Call) -> Builtin | None:
    builtin = find_builtin(node.name, len(node.arguments), node.names)
    if builtin is None or node.names is None:
        return builtin
    given = builtin.renamed(node.names)
    return builtin if _is_unique(given) and builtin.required <= set(given) else None


def _wrong_call(node: Call, functions: tuple[_Shape, ...], names: _Names) -> str:
    name = ".".join((*node.path, node.name))
    defined = [function for function in functions if isinstance(function, FunctionOf)]
    if node.path and defined:
        return f"{name}() does not take these arguments; write {_form(name, defined[0].parameters)}."
    if node.path or (node.name not in BUILTINS and not defined):
        close = None if node.path else _closest(node.name, (*BUILTINS, *names.functions))
        return f"There is no function '{name}'; " + (
            f"did you mean {_forms(close, names)}?" if close else "check its name."
        )
    given = f"arguments named {', '.join(node.names)}" if node.names else f"{len(node.arguments)} argument(s)"
    return f"{name}() does not take {given}; write {_forms(name, names)}."


def _forms(name: str, names: _Names) -> str:
    """Return how the function is called, once for each number of arguments."""
    parameters = [
        shape.parameters for shape in names.functions.get(name, ()) if isinstance(shape, FunctionOf)
    ]
    forms = {len(each): _form(name, each) for each in parameters}
    for builtin in BUILTINS.get(name, ()):
        suffix = "…" if builtin.is_variadic else ""
        forms.setdefault(len(builtin.parameters), _form(name, builtin.parameters, suffix))
    return " or ".join(forms[count] for count in sorted(forms))


def _form(name: str, parameters: tuple[str, ...], suffix: str = "") -> str:
    return f"{name}({', '.join(parameters)}{suffix})"


def _closest(name: str, known: Iterable[str]) -> str | None:
    by_letters = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name.casefold(), by_letters, n=1, cutoff=_CLOSENESS)
    return by_letters[close[0]] if close else None
