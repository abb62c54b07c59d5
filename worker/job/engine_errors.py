"""How a command to Camunda can fail; used inside the worker only."""

from __future__ import annotations


class EngineError(Exception):
    """A command to Camunda failed, or a process instance did not end as it should."""


class GatewayUnavailable(EngineError):
    """The gateway cannot be reached or is temporarily unable to accept the command."""


class JobGone(EngineError):
    """The job was completed, cancelled or failed meanwhile: its outcome can no longer be reported."""


class CommandRefused(EngineError):
    """Camunda refuses this command permanently."""
