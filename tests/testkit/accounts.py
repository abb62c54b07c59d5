"""Who signs in at a test server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """A user name and its password, as a client gives them."""

    username: str
    password: str
