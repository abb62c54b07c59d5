"""What a token endpoint answers (RFC 6749, 5), read by oauthlib."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeGuard
from urllib.parse import parse_qsl

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error

from worker.documents.http_client import HttpResponse
from worker.errors import TokenEndpointUnavailable, TokenRefused
from worker.masking import excerpt
from worker.models.authentication import AuthenticationType
from worker.models.bounds import PASSWORD_CHARACTERS

_NEEDED = ("access_token", "refresh_token", "error", "error_description")
_PASSING_ERRORS = {"server_error", "temporarily_unavailable", "slow_down"}
_SHOWN_CHARACTERS = 300
# A longer answer is not the reason of a refusal, and showing it would delay other work.
_MAX_REASON_BYTES = 10_000
_USUAL_LIFE_SECONDS = 300.0
_LONGEST_LIFE_SECONDS = 86_400.0
# More than clocks usually differ; token endpoints refuse assertions of a clock that is further off.
_SKEW_SECONDS = 60
_ADVICE = {
    "invalid_client": "check clientId and clientSecret, or the key and its certificate",
    "invalid_scope": "check scopes",
    "unauthorized_client": "check clientId and clientSecret, and that the app may use this flow",
    "unsupported_grant_type": "choose another authentication type, or allow this one at the endpoint",
    "invalid_target": "check audience",
}
_ADVICE_BY_TYPE = {
    AuthenticationType.REFRESH_TOKEN: "the refresh token has expired, was revoked, or has been used before:"
    " fetch another one, or choose a flow without refresh tokens",
    AuthenticationType.JWT_BEARER: "check subject, key and audience",
}


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """An access token, how long it lasts from now on, and the next refresh token, if there is one."""

    access_token: str = field(repr=False)
    life_seconds: float
    refresh_token: str = field(repr=False)


def read_token_response(
    response: HttpResponse, server: str, flow: AuthenticationType, now: datetime
) -> TokenResponse:
    """Read an answer. Raises TokenRefused, and TokenEndpointUnavailable if it may be another one later."""
    if response.is_temporary_failure:
        raise TokenEndpointUnavailable(
            f"{server} answered with status {response.status}.", server=server, **response.failure_details
        )
    try:
        given = _fields(response.content)
        # Only what it is needed for: it refuses a token whose scope or life it cannot read.
        needed = json.dumps({name: given[name] for name in _NEEDED if given.get(name)})
        token = BackendApplicationClient("").parse_request_body_response(needed)
    except OAuth2Error as error:
        raise _refusal(response, server, error, flow, now) from None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise _no_token(response, server) from None
    access_token, refresh_token = token["access_token"], token.get("refresh_token", "")
    if response.status != HTTPStatus.OK or not _is_token(access_token) or not _is_short_text(refresh_token):
        raise _no_token(response, server)
    return TokenResponse(access_token, _life_seconds(given.get("expires_in")), refresh_token)


def _refusal(
    response: HttpResponse, server: str, error: OAuth2Error, flow: AuthenticationType, now: datetime
) -> TokenRefused | TokenEndpointUnavailable:
    code = str(error.error)
    if code == "missing_token" or len(response.content) > _MAX_REASON_BYTES:
        return _no_token(response, server)
    details = {"server": server, "error": excerpt(code, _SHOWN_CHARACTERS)}
    shown = excerpt(f"{code}: {error.description}" if error.description else code, _SHOWN_CHARACTERS)
    if code in _PASSING_ERRORS:
        text = f"{server} gives no access token now ({shown})."
        return TokenEndpointUnavailable(text, **details, **response.failure_details)
    advice = _ADVICE_BY_TYPE.get(flow) if code == "invalid_grant" else _ADVICE.get(code)
    skew = _skew(response, now) if flow is AuthenticationType.JWT_BEARER else ""
    return TokenRefused(
        f"{server} refused an access token ({shown.rstrip('.')}); {skew or advice or 'check the app there'}.",
        **details,
        status=response.status,
    )


def _no_token(response: HttpResponse, server: str) -> TokenRefused:
    return TokenRefused(
        f"{server} answered with status {response.status}, but gave no access token; check that"
        " oauthTokenEndpoint is the URL of a token endpoint.",
        server=server,
        status=response.status,
    )


def _fields(content: bytes) -> dict[str, Any]:
    """Return the fields of a response: JSON, or the form that some endpoints answer with."""
    try:
        given = json.loads(content)
    except ValueError:
        return dict(parse_qsl(content.decode()))
    if not isinstance(given, dict):
        raise TypeError("no object")
    return given


def _is_token(value: object) -> TypeGuard[str]:
    """Tell whether this can be sent as a bearer token (RFC 6750, 2.1)."""
    if not _is_short_text(value):
        return False
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


def _is_short_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= PASSWORD_CHARACTERS


def _life_seconds(value: Any) -> float:
    """Return the life of a token; the usual one if the endpoint gives none that can be read."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = 0
    return min(seconds, _LONGEST_LIFE_SECONDS) if seconds > 0 else _USUAL_LIFE_SECONDS


def _skew(response: HttpResponse, now: datetime) -> str:
    """Say how far the worker's clock is off, if that may be the reason."""
    try:
        sent_at = parsedate_to_datetime(response.date)
        seconds = (now - sent_at.replace(tzinfo=sent_at.tzinfo or UTC)).total_seconds()
    except (ValueError, OverflowError):
        return ""
    if abs(seconds) < _SKEW_SECONDS:
        return ""
    direction = "ahead of" if seconds > 0 else "behind"
    return f"set the worker's clock, which is {abs(seconds):.0f} seconds {direction} that of the endpoint"
