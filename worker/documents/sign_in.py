"""How the worker signs in to the cluster: one Authorization header, for gRPC and for the REST API."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Protocol

_NOTE = "(a text that is not shown, as it repeats the worker's credentials)"
# This many consecutive characters of a credential in a text are a part of it.
_PIECE = 8


class SignIn(Protocol):
    """The credentials that the worker sends to the cluster with each request."""

    async def authorization(self) -> str:
        """Return the header's value; raises DocumentRefused and DocumentsUnavailable."""

    def forget(self, authorization: str) -> None:
        """Do not use `authorization` again, if there may be another: it was refused."""

    def hide(self, text: str) -> str:
        """Return a text from the cluster without credentials."""

    async def close(self) -> None:
        """Close all connections; a later request opens them again."""


class BasicSignIn:
    """User name and password (RFC 7617)."""

    def __init__(self, username: str, password: str) -> None:
        encoded = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        self._authorization = f"Basic {encoded}"
        self._credentials = (encoded, password)

    async def authorization(self) -> str:
        """See SignIn."""
        return self._authorization

    def forget(self, authorization: str) -> None:
        """Do nothing: there are no other credentials."""

    def hide(self, text: str) -> str:
        """See SignIn."""
        return without_credentials(text, self._credentials)

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def without_credentials(text: str, credentials: Iterable[str]) -> str:
    """Return `text`, or a note if it contains a part of a credential; short ones are replaced as words."""
    # A line break may divide a credential.
    letters = "".join(text.split())
    pieces = {letters[start : start + _PIECE] for start in range(len(letters) - _PIECE + 1)}
    for credential in filter(None, credentials):
        if len(credential) < _PIECE:
            text = re.sub(rf"(?<!\w){re.escape(credential)}(?!\w)", "***", text)
        elif any(piece in credential for piece in pieces):
            return _NOTE
    return text
