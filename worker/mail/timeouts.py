"""How long each step of a dialogue with a mail server may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds, one for each step; RFC 5321 (4.5.3.2) asks for patience after the final dot."""

    connect_seconds: float = 15.0
    tls_seconds: float = 15.0
    greeting_seconds: float = 30.0
    login_seconds: float = 30.0
    command_seconds: float = 60.0
    transfer_seconds: float = 300.0

    @property
    def sign_in_seconds(self) -> float:
        """All that comes before the first command of an operation."""
        return self.connect_seconds + self.tls_seconds + self.greeting_seconds + self.login_seconds
