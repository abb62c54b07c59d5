"""What the compiler makes."""

from __future__ import annotations

from collections.abc import Callable

from worker.feel.scope import Scope
from worker.feel.syntax import Node
from worker.feel.values import Value

Code = Callable[[Scope], Value]
"""A compiled expression."""

Compile = Callable[[Node], Code]
"""The compiler itself, handed to the parts that compile one kind of node."""
