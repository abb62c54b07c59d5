"""How the worker signs in to the cluster: one Authorization header, for gRPC and for the REST API."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Protocol

_NOTE = "(a text that is not shown, as it repeats the worker's credentials)"
# So many characters of a credential that stand together in a text are a piece of it.
_PIECE = 8


class SignIn(Protocol):
    """What the worker shows the cluster with each request."""

    async def authorization(self) -> str:
        """Return the header's value; raises DocumentRefused and DocumentsUnavailable."""

    def forget(self, authorization: str) -> None:
        """Do not use `authorization` again, if there may be another: it was refused."""

    def hide(self, text: str) -> str:
        """Return a text of the cluster without credentials."""

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
        """Keep it: there is no other."""

    def hide(self, text: str) -> str:
        """See SignIn."""
        return without_credentials(text, self._credentials)

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def without_credentials(text: str, credentials: Iterable[str]) -> str:
    """Return `text`, or a note where it has a piece of a credential; short ones are replaced as words."""
    # A credential may be broken over lines.
    letters = "".join(text.split())
    pieces = {letters[start : start + _PIECE] for start in range(len(letters) - _PIECE + 1)}
    for credential in filter(None, credentials):
        if len(credential) < _PIECE:
            text = re.sub(rf"(?<!\w){re.escape(credential)}(?!\w)", "***", text)
        elif any(piece in credential for piece in pieces):
            return _NOTE
    return text
