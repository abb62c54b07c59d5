"""How the worker signs in to the cluster: one Authorization header, for gRPC and for the REST API."""

from __future__ import annotations

import base64
from typing import Protocol

from worker.masking import Mask


class SignIn(Protocol):
    """The credentials that the worker sends to the cluster with each request.

    `mask` hides them in texts of the cluster.
    """

    mask: Mask

    async def authorization(self) -> str:
        """Return the header's value; raises DocumentRefused and DocumentsUnavailable."""

    def forget(self, authorization: str) -> None:
        """Do not use `authorization` again, if there may be another: it was refused."""

    async def close(self) -> None:
        """Close all connections; a later request opens them again."""


class BasicSignIn:
    """User name and password (RFC 7617), which `mask` learns."""

    def __init__(self, username: str, password: str, mask: Mask) -> None:
        encoded = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        self._credentials = (password, encoded)
        self._authorization = f"Basic {encoded}"
        self.mask = mask
        self._learn()

    async def authorization(self) -> str:
        """See SignIn."""
        self._learn()  # again, as a mask forgets what was not used for long
        return self._authorization

    def forget(self, authorization: str) -> None:
        """Do nothing: there are no other credentials."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _learn(self) -> None:
        for credential in self._credentials:
            self.mask.learn(credential)
