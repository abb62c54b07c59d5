"""Finds where a file uses what a library keeps for itself: private names, undocumented modules."""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

_BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}
_OWN = {"self", "cls"}
# Made to be derived from with private names in the class: their own are of another form (`_name_`, `_abc_…`).
_FOR_ANY_NAMES = {"abc", "builtins", "dataclasses", "enum", "io", "pydantic", "typing"}
# What Python gives to every abstract class and protocol.
_OF_PYTHON = {"_abc_impl", "_is_protocol", "_is_runtime_protocol"}
# Modules of the standard library that its documentation leaves out, though their names have no underscore.
_UNDOCUMENTED = {
    "genericpath",
    "nturl2path",
    "ntpath",
    "opcode",
    "posixpath",
    "pydoc_data",
    "sre_compile",
} | {
    "sre_constants",
    "sre_parse",
}


@dataclass(frozen=True)
class Class:
    """A class of ours: the names that it defines, and its bases as the file writes them."""

    names: frozenset[str]
    bases: tuple[str, ...]
    imported: Mapping[str, str]


@dataclass
class Reader:
    """Reads one file. `classes`: all of ours by module and name; `documented`: modules by library."""

    module: str
    tree: ast.Module
    classes: Mapping[str, Class]
    documented: Mapping[str, frozenset[str]]
    imported: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.imported = imported_names(self.tree, self.module)

    def findings(self) -> Iterator[str]:
        """Yield each use as `library.name`, or as `?.name` where the library cannot be told."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._in_import(node)
            elif isinstance(node, ast.Attribute):
                yield from self._in_module(node)
            elif isinstance(node, ast.Call):
                yield from self._by_name(node)
        yield from self._attributes(self.tree, None, set())
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                yield from self._overridden(node)

    def _in_import(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            source = source_of(node, self.module)
            modules = [source]
            for alias in node.names:
                if is_private(alias.name) and not is_ours(source):
                    yield f"{source}.{alias.name}"
                if _is_module(f"{source}.{alias.name}"):
                    modules.append(f"{source}.{alias.name}")
        yield from (module for module in modules if not self._is_documented(module))

    def _is_documented(self, module: str) -> bool:
        library, _, rest = module.partition(".")
        if is_ours(module) or module == "__future__":
            return True
        if any(is_private(part) for part in module.split(".")):
            return False
        named = any(module in modules for modules in self.documented.values())
        is_top_of_python = library in sys.stdlib_module_names and not rest and library not in _UNDOCUMENTED
        return named or is_top_of_python

    def _in_module(self, node: ast.Attribute) -> Iterator[str]:
        """Yield a module that is reached through another one: `import a`, then `a.b.c`."""
        path = self._path(node)
        if path and not is_ours(path) and _is_module(path) and not self._is_documented(path):
            yield path

    def _by_name(self, node: ast.Call) -> Iterator[str]:
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if function in _BY_NAME:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield from (f"?.{part}" for part in argument.value.split(".") if is_private(part))

    def _attributes(self, node: ast.AST, owner: ast.ClassDef | None, mine: set[str]) -> Iterator[str]:
        """Yield private names that are asked of something else than the class (`owner`) or its objects.

        `mine`: variables of the function that are objects of the class.
        """
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                yield from self._attributes(child, child, set())
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and owner is not None:
                yield from self._attributes(child, owner, mine | _objects_of(owner.name, child))
                continue
            if isinstance(child, ast.Attribute) and is_private(child.attr):
                yield from self._private(child, owner, mine)
            yield from self._attributes(child, owner, mine)

    def _private(self, node: ast.Attribute, owner: ast.ClassDef | None, mine: set[str]) -> Iterator[str]:
        library = (self._path(node) or f"?.{node.attr}").rpartition(".")[0]
        if owner is None:
            yield f"{library}.{node.attr}"
            return
        if isinstance(node.value, ast.Name) and node.value.id in _OWN | mine | {owner.name}:
            is_known = True
        else:
            is_known = _is_super(node.value) and node.attr in self._inherited(owner)
        if not is_known:
            yield f"{library}.{node.attr}"
        for base in self._foreign_bases(owner) if is_known else ():
            if node.attr in private_names(base):
                yield f"{_named(base)}.{node.attr}"

    def _overridden(self, node: ast.ClassDef) -> Iterator[str]:
        """Yield private names in the body of a class that a library's class has, or may have tomorrow."""
        for base in self._foreign_bases(node):
            taken = private_names(base)
            is_open = not taken or base.__module__.partition(".")[0] in _FOR_ANY_NAMES
            yield from (
                f"{_named(base)}.{name}"
                for name, is_method in _defined(node)
                if is_private(name) and (name in taken or (is_method and not is_open))
            )

    def _inherited(self, node: ast.ClassDef) -> set[str]:
        own = [self._ours(base, self.imported, self.module) for base in map(_text, node.bases)]
        return {name for each in own if each for name in each.names}

    def _foreign_bases(self, node: ast.ClassDef) -> Iterator[type]:
        pending = [(_text(base), self.imported, self.module) for base in node.bases]
        while pending:
            text, imported, module = pending.pop()
            ours = self._ours(text, imported, module)
            if ours is not None:
                home = full_name(text, imported, module).rpartition(".")[0]
                pending += [(base, ours.imported, home) for base in ours.bases]
            else:
                yield _load(full_name(text, imported, module))

    def _ours(self, text: str, imported: Mapping[str, str], module: str) -> Class | None:
        return self.classes.get(full_name(text, imported, module))

    def _path(self, node: ast.expr) -> str | None:
        """Return what an expression such as `a.b.c` names, where `a` is imported from a library."""
        if _first_name(node) not in self.imported:  # most; to write an expression out takes long
            return None
        first, dot, rest = _text(node).partition(".")
        known = self.imported.get(first)
        return f"{known}{dot}{rest}" if known is not None and not is_ours(known) else None


def read_classes(tree: ast.Module, module: str) -> dict[str, Class]:
    """Return the classes of a file by their module and name."""
    imported = imported_names(tree, module)
    return {
        f"{module}.{node.name}": Class(
            frozenset(name for name, _ in _defined(node)), tuple(map(_text, node.bases)), imported
        )
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def imported_names(tree: ast.Module, module: str) -> dict[str, str]:
    """Return what each imported name of a file stands for, with dots."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            source = source_of(node, module)
            found |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names}
    return found


def source_of(node: ast.ImportFrom, module: str) -> str:
    """Return the module that `from … import` names, also where it is a relative one."""
    if not node.level:
        return node.module or ""
    package = module.split(".")[: -node.level]
    return ".".join((*package, *([node.module] if node.module else [])))


def full_name(text: str, imported: Mapping[str, str], module: str) -> str:
    """Return the name of a class with its module."""
    first, dot, rest = text.partition(".")
    if first in imported:
        return f"{imported[first]}{dot}{rest}"
    return f"builtins.{text}" if not dot and hasattr(builtins, text) else f"{module}.{text}"


@cache
def private_names(base: type) -> frozenset[str]:
    """Return the names with one underscore that a class has, or gives to its objects."""
    names: set[str] = set()
    for each in base.__mro__:
        names |= set(vars(each))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
        except (OSError, TypeError):
            continue
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_self(node)}
    return frozenset(name for name in names - _OF_PYTHON if is_private(name))


def is_private(name: str) -> bool:
    """Tell whether a name begins with one underscore."""
    return name.startswith("_") and not name.startswith("__") and name != "_"


def is_ours(module: str) -> bool:
    """Tell whether a module is one of the worker's."""
    return module.partition(".")[0] == "worker"


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in _OWN


def _first_name(node: ast.expr) -> str | None:
    """Return the name with which an expression such as `a.b[0].c()` begins."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        else:
            return None
    return node.id


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _objects_of(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the variables of a function that are objects of the class `name`."""
    found = {
        argument.arg
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None and _text(argument.annotation).strip("'\"") in {name, "Self"}
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = _text(node.value.func)
            found |= {_text(target) for target in node.targets if made in {"cls", name}}
    return found


def _defined(node: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    """Yield the names of a class's body, and whether each is a method."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child.name, True
        elif isinstance(child, ast.Assign):
            yield from ((_text(target), False) for target in child.targets)
        elif isinstance(child, ast.AnnAssign):
            yield _text(child.target), False


def _text(node: ast.expr) -> str:
    return ast.unparse(node.value if isinstance(node, ast.Subscript) else node)


def _named(base: type) -> str:
    return f"{base.__module__}.{base.__qualname__}"


def _load(name: str) -> type:
    module, _, attribute = name.rpartition(".")
    found: Any = getattr(importlib.import_module(module), attribute)
    return found if isinstance(found, type) else type(found)


@cache
def _is_module(name: str) -> bool:
    if any(is_private(part) for part in name.split(".")):
        return False
    source, _, attribute = name.rpartition(".")
    known = sys.modules.get(source)
    if known is not None and attribute in vars(known):
        return isinstance(vars(known)[attribute], ModuleType)
    try:
        return not is_ours(name) and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
