"""Finds slips that can only give null, before an expression is evaluated: misspelt names, wrong arguments.

FEEL itself gives null for them, and in an error expression null means "no error". What a name stands for
is followed as far as the source shows it; where it does not, a call is taken to be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from worker.feel.calls import Call, FunctionOf
from worker.feel.chains import Chain, Filter, Key
from worker.feel.comparison import KINDS
from worker.feel.error import FeelError
from worker.feel.functions import BUILTINS, find_builtin
from worker.feel.functions.outcomes import OUTCOMES
from worker.feel.iteration import Iteration
from worker.feel.names import Kind, Names, Shape, Variables, joined
from worker.feel.signature import Builtin
from worker.feel.syntax import ContextOf, InstanceOf, Name, Node, Place
from worker.feel.usage import check_compared, check_filter, check_operands, check_quotes, check_types

_CLOSENESS = 0.75
# So many names help in a message.
_FEW = 8
_UNKNOWN_PLACE = (0, 0)
_CONSTANTS = ("true", "false", "null")
_TYPES = frozenset({*KINDS.values(), "Any"})


def check(tree: Node, variables: Variables) -> None:
    """Raise FeelError, with the place and the right form, at the first slip.

    A variable that is not among `variables` is a slip if it is spelled like one that always exists or
    like a function; others may exist.
    """
    _visit(tree, Names(variables))


def _visit(node: Node, names: Names) -> Shape:
    """Check a node and the nodes inside it; return what is known of its value."""
    check_operands(node, _children(node), names.is_never_boolean)
    check_compared(node, names.is_boolean)
    match node:
        case Name():
            return _visit_name(node, names)
        case ContextOf():
            return _visit_context(node, names)
        case FunctionOf():
            _visit(node.body, names.define(dict.fromkeys(node.parameters, Kind.ANY)))
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
            return joined([_visit(child, names) for child in _children(node)])


def _children(value: Any) -> Iterator[Node]:
    """Yield the nodes directly inside a node; a list of operators and operands contains pairs."""
    parts = [getattr(value, each.name) for each in fields(value)] if is_dataclass(value) else value
    for part in parts:
        if isinstance(part, Node):
            yield part
        elif isinstance(part, tuple):
            yield from _children(part)


def _visit_name(node: Name, names: Names) -> Shape:
    if not names.is_variable(node.name):
        if node.name in BUILTINS or node.name in names.functions:
            forms = _forms(node.name, names)
            raise FeelError(f"'{node.name}' is a function and must be called; write {forms}.", *node.place)
        close = _closest(node.name, (*names.variables.known, *_CONSTANTS))
        if close:
            raise FeelError(f"There is no variable '{node.name}'; did you mean {close}?", *node.place)
        check_quotes(node)
    return names.shape(node.name)


def _visit_context(node: ContextOf, names: Names) -> Shape:
    entries: dict[str, Shape] = {}
    for key, entry in node.entries:
        entries[key] = _visit(entry, names)
        names = names.define_entry(key, entries[key])
    return entries if joined(entries.values()) is Kind.ANY else Kind.DATA


def _visit_iteration(node: Iteration, names: Names) -> Shape:
    items = {name: joined([_visit(source, names)]) for name, source in node.iterators}
    result = _visit(node.body, names.define({"partial": Kind.ANY, **items}))
    return joined([result]) if node.keyword == "for" else Kind.DATA


def _visit_chain(node: Chain, names: Names) -> Shape:
    place = node.base.place if isinstance(node.base, Name) else _UNKNOWN_PLACE
    shape = _visit(node.base, names)
    _check_entry(node, names, place)
    for step in node.steps:
        if isinstance(step, Filter):
            check_filter(step, place)
            _visit(step.condition, names.inside_filter(shape))
            shape = joined([shape])
            continue
        shape = _entry(shape, step.name)
        if isinstance(shape, FunctionOf):
            raise FeelError(f"'{step.name}' is a function and must be called.", *place)
    return shape


def _check_entry(node: Chain, names: Names, place: Place) -> None:
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


def _entry(shape: Shape, name: str) -> Shape:
    if isinstance(shape, dict):
        found: Shape = shape.get(name, Kind.DATA)
        return found
    return Kind.DATA if isinstance(shape, FunctionOf) else shape


def _visit_call(node: Call, names: Names) -> Shape:
    arguments = [_visit(argument, names) for argument in node.arguments]
    if node.path:
        owner = names.shape(node.path[0])
        for name in (*node.path[1:], node.name):
            owner = _entry(owner, name)
        functions: tuple[Shape, ...] = () if owner is Kind.DATA else (owner,)
    else:
        functions = names.functions.get(node.name, ())
        functions += (Kind.ANY,) * names.has_functions
    if any(_takes(function, node) for function in functions):
        return Kind.ANY
    builtin = None if node.path else _builtin_of(node)
    if builtin is None:
        raise FeelError(_wrong_call(node, functions, names), *node.place)
    check_types(node, builtin)
    if node.name in OUTCOMES and not names.variables.decides:
        raise FeelError(f"{node.name}() has an effect only in an error expression.", *node.place)
    return joined(arguments)


def _takes(function: Shape, node: Call) -> bool:
    if isinstance(function, FunctionOf):
        return _is_unique(node.names) and node.fits(function.parameters)
    return function is Kind.ANY


def _is_unique(names: tuple[str, ...] | None) -> bool:
    return names is None or len(set(names)) == len(names)


def _builtin_of(node: Call) -> Builtin | None:
    builtin = find_builtin(node.name, len(node.arguments), node.names)
    if builtin is None or node.names is None:
        return builtin
    given = builtin.renamed(node.names)
    return builtin if _is_unique(given) and builtin.required <= set(given) else None


def _wrong_call(node: Call, functions: tuple[Shape, ...], names: Names) -> str:
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


def _forms(name: str, names: Names) -> str:
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
