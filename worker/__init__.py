"""A Camunda 8 job worker that sends and handles email."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.app import EmailWorker

__all__ = ["EmailWorker"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the app when it is asked for: `email-worker --version` and the sandbox do without it."""
    if name == "EmailWorker":
        from worker.app import EmailWorker  # noqa: PLC0415 - see above

        return EmailWorker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
