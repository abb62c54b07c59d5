"""The public functions: read an expression, check it, evaluate it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import DecimalException, localcontext
from typing import Any

from worker.feel.error import FeelError
from worker.feel.json_values import from_json, to_json
from worker.feel.names import Variables
from worker.feel.parser import Parser
from worker.feel.run import Run, Sources
from worker.feel.scope import Scope
from worker.feel.syntax import Node
from worker.feel.validation import check
from worker.feel.values import ARITHMETIC

_DEFAULT_SOURCES = Sources()


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that has been read: the names in it, and its syntax tree."""

    names: frozenset[str]
    tree: Node

    def check(self, variables: Variables) -> None:
        """Raise FeelError at a slip that can only give null, such as a misspelt function."""
        try:
            check(self.tree, variables)
        except FeelError as error:
            raise error.at(1, 1) from None

    def evaluate(self, variables: Mapping[str, Any], *, sources: Sources = _DEFAULT_SOURCES) -> Any:
        """Return the value as JSON, or raise FeelError; see `evaluate`."""
        run = Run(sources)
        try:
            with localcontext(ARITHMETIC):
                known = {name: from_json(variables[name]) for name in self.names if name in variables}
                return to_json(self.tree.evaluate(Scope(known, None, run)), run)
        except FeelError as error:
            raise error.at(1, 1) from error.__cause__
        except (DecimalException, OverflowError) as error:
            raise FeelError("A number or a date is too large or too small.", 1, 1) from error
        except RecursionError as error:
            raise FeelError("The expression or a value is nested too deeply.", 1, 1) from error


def parse(expression: str) -> Expression:
    """Read an expression, with or without its leading `=`; raise FeelError at the first syntax error."""
    # The sign becomes a space so that columns stay those of the text.
    text = f" {expression[1:]}" if expression.startswith("=") else expression
    parser = Parser(text)
    try:
        tree = parser.parse()
    except RecursionError as error:
        raise FeelError("The expression is nested too deeply.", 1, 1) from error
    names = frozenset(token.text.strip("`") for token in parser.tokens if token.kind in {"name", "quoted"})
    return Expression(names, tree)


def evaluate(expression: str, variables: Mapping[str, Any], *, sources: Sources = _DEFAULT_SOURCES) -> Any:
    """Evaluate a FEEL expression, with or without its leading `=`, on JSON variables.

    Returns a JSON value. What is missing or does not fit is null, as in Camunda; FeelError is raised for
    syntax errors, a failed `assert`, a result that is no JSON, and an expression that needs too much.
    `sources` gives `now()`, `today()`, `uuid()` and `random number()` their values.
    """
    return parse(expression).evaluate(variables, sources=sources)
