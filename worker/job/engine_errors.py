"""How a command to Camunda can fail; used inside the worker only."""

from __future__ import annotations


class EngineError(Exception):
    """A command to Camunda failed, or a process instance did not end as it should."""


class GatewayUnavailable(EngineError):
    """The gateway cannot be reached or is temporarily unable to accept the command.

    `may_be_accepted`: the answer is missing, so Camunda may have accepted the command.
    """

    def __init__(self, reason: str, *, may_be_accepted: bool = False) -> None:
        super().__init__(reason)
        self.may_be_accepted = may_be_accepted


class JobGone(EngineError):
    """The job was completed, cancelled or failed meanwhile: its outcome can no longer be reported."""


class CommandRefused(EngineError):
    """Camunda refuses this command permanently."""
