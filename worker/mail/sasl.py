"""Signing in by an access token: OAUTHBEARER (RFC 7628), and XOAUTH2 of Google and Microsoft. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from worker.errors import AuthenticationFailed, NotSupported
from worker.mail.account import Account
from worker.masking import excerpt

_OAUTHBEARER, _XOAUTH2 = "OAUTHBEARER", "XOAUTH2"
# What a client says to the challenge that explains a refusal, so that the server ends the exchange.
_LAST_WORD = {_OAUTHBEARER: b"\x01", _XOAUTH2: b""}
_SHOWN_CHARACTERS = 200
# Dovecot says the same of all of these.
_EXPIRED = "the token has expired or was revoked, or is for another audience, scope or user"
_SCOPE = "the token lacks a scope"
_MAILBOX = "the user name is not that of the token, or the app has no right to the mailbox"
_UNKNOWN = "check that the token is for this server, and that its user or app may use the mailbox"
# RFC 7628, 3.2.2 and 3.2.3, and the numbers of HTTP that Google, Microsoft and Dovecot give instead.
_MEANINGS = {
    "invalid_token": _EXPIRED,
    "401": _EXPIRED,
    "insufficient_scope": _SCOPE,
    "403": _SCOPE,
    "invalid_request": _MAILBOX,
    "400": _MAILBOX,
}


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """How a token is shown. `response` shows it, `last_word` answers what explains a refusal: in base64."""

    mechanism: str
    response: bytes
    last_word: bytes


def token_exchange(account: Account, offered: Iterable[str]) -> TokenExchange:
    """Return how to show the account's token by what the server offers. Raises NotSupported."""
    mechanism = choose_mechanism(account, offered)
    response = base64.b64encode(token_response(mechanism, account))
    return TokenExchange(mechanism, response, base64.b64encode(_LAST_WORD[mechanism]))


def choose_mechanism(account: Account, offered: Iterable[str]) -> str:
    """Return the mechanism to show a token by, of those that the server offers. Raises NotSupported."""
    names = [name.upper() for name in offered]
    for mechanism in _LAST_WORD:
        if mechanism in names:
            return mechanism
    shown = excerpt(", ".join(dict.fromkeys(names)), _SHOWN_CHARACTERS) or "no way to sign in"
    raise NotSupported(
        f"{account.server} takes no access token on this connection (OAUTHBEARER or XOAUTH2): it offers"
        f" {shown}; check host, port and cryptographicProtocol, or choose another authentication type.",
        server=account.server,
        extension="AUTH",
    )


def token_response(mechanism: str, account: Account) -> bytes:
    """Return the response that shows the account's token."""
    username, token = account.username or "", account.token or ""
    if mechanism == _XOAUTH2:
        return f"user={username}\x01auth=Bearer {token}\x01\x01".encode()
    authzid = username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801, 4
    head = f"n,a={authzid},\x01host={account.host}\x01port={account.port}"
    return f"{head}\x01auth=Bearer {token}\x01\x01".encode()


def token_refusal(server: str, reason: str, challenge: bytes) -> AuthenticationFailed:
    """Return the error for a refused token. `challenge`: what the server explains, in base64, or b""."""
    said = _read(challenge)
    advice = _MEANINGS.get(str(said.get("status", "")).lower(), _UNKNOWN)
    if scope := excerpt(str(said.get("scope") or ""), _SHOWN_CHARACTERS):
        advice += f" (the server wants the scope {scope})"
    return AuthenticationFailed(
        f"{server} refused the access token ({reason.rstrip('.')}); {advice}.", server=server
    )


def _read(challenge: bytes) -> dict[str, Any]:
    # Some servers do not encode it, others leave out the padding.
    for decode in (bytes, lambda encoded: base64.b64decode(encoded + b"==")):
        with suppress(ValueError, RecursionError):
            said = json.loads(decode(challenge))
            if isinstance(said, dict):
                return said
    return {}
