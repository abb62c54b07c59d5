"""FEEL, the expression language of Camunda 8, as its reference engine understands it.

The package imports nothing of the rest of the worker, and expressions reach nothing but the variables that
they are given.
"""

from worker.feel.error import FeelError
from worker.feel.expression import Expression, evaluate, parse
from worker.feel.names import Variables
from worker.feel.run import Sources

__all__ = ["Expression", "FeelError", "Sources", "Variables", "evaluate", "parse"]
