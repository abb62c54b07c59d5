"""What only Modeler needs: the place of a field, its control, and when it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from worker.models.authentication import AuthenticationType, ClientAuthentication, types_with
from worker.models.base import CryptographicProtocol
from worker.models.email import SortField, SortOrder
from worker.models.message import ContentType
from worker.template.property import Feel, Kind, Pattern

GROUPS: tuple[tuple[str, str], ...] = (
    ("operation", "Operation"),
    ("server", "Server"),
    ("authentication", "Authentication"),
    ("email", "Email"),
    ("output", "Output mapping"),
    ("errors", "Error handling"),
    ("retries", "Retries"),
    ("timeout", "Job timeout"),
)
"""Id and label, in the order of the properties panel."""

OPEN_GROUPS = frozenset({"operation", "server", "authentication", "email", "output"})

_PLACEHOLDER = r"\{\{ *secrets\.[^{}]+\}\}"
_HOST = r"[^\s/@:]+|[^\s/@:]*(:[^\s/@:]*){2,}"  # one colon parts a name from a port, IPv6 has more
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"  # up to 65535


@dataclass(frozen=True, slots=True)
class Look:
    """How one field of a request is shown.

    `shown_while`: another field and the values with which this one matters. `is_needed`: the model requires
    it whenever it is shown, although it has a default. `choices`: values and names, if the
    field's type does not give them; the first one is offered. `is_left_to_worker`: the first choice is
    what the worker is configured with. `description`: in place of the model's. `offered`: what a new task
    has in place of the model's default. `by_provider`: for each provider of access tokens with which the
    field matters, the value, or None for what a person fills in.
    """

    kind: Kind = "String"
    feel: Feel = "optional"
    shown_while: tuple[str, tuple[str, ...]] | None = None
    is_needed: bool = False
    pattern: Pattern | None = None
    choices: tuple[tuple[str, str], ...] = ()
    is_left_to_worker: bool = False
    description: str = ""
    offered: str | None = None
    by_provider: tuple[tuple[str, str | None], ...] = ()


UNSET = "=null"
"""The value of a choice that leaves a field to the worker."""

AS_CONFIGURED = (UNSET, "As the worker is configured")

_WITH_SERVER = ("server.cryptographicProtocol", tuple(CryptographicProtocol))
_TYPE = "authentication.type"
WITH_TOKEN_ENDPOINT = (_TYPE, types_with("oauth_token_endpoint"))
_MICROSOFT, _GOOGLE, _OTHER = "microsoft365", "googleWorkspace", "other"
PROVIDERS: tuple[tuple[str, str], ...] = (
    (_MICROSOFT, "Microsoft 365"),
    (_GOOGLE, "Google Workspace"),
    (_OTHER, "Another one"),
)
"""Who gives access tokens: the worker does not see this, but the fields that are filled in by it."""


def _sign_in(field: str, **more: Any) -> Look:
    """Return the look of a field of the sign-in, which is shown with the types that take it."""
    return Look(shown_while=(_TYPE, types_with(field)), **more)


def _secret(field: str, *, is_needed: bool = True) -> Look:
    """Return the look of a field that must name a secret."""
    pattern = Pattern(_PLACEHOLDER, f"must name a secret, such as {{{{secrets.MAIL_{field.upper()}}}}}.")
    return _sign_in(field, is_needed=is_needed, pattern=pattern)


def _flag_choices(is_set: str, is_clear: str) -> tuple[tuple[str, str], ...]:
    return (UNSET, "Leave as it is"), ("true", f"Mark as {is_set}"), ("false", f"Mark as {is_clear}")


LOOKS: dict[str, Look] = {
    "server.cryptographicProtocol": Look(
        "Dropdown",
        is_left_to_worker=True,
        description="The worker's mail server, or how the connection to another one is encrypted. TLS is"
        " right for nearly all servers.",
    ),
    "server.host": Look(
        shown_while=_WITH_SERVER,
        is_needed=True,
        pattern=Pattern(
            f"{_HOST}|{_PLACEHOLDER}",
            "must be a name such as mail.example.com, without https:// or a port.",
        ),
    ),
    "server.port": Look(
        pattern=Pattern(f"{_PORT}|{_PLACEHOLDER}", "must be a number from 1 to 65535."),
    ),
    "authentication.type": Look(
        "Dropdown",
        is_left_to_worker=True,
        description="The worker's account, or how to sign in with another one.",
    ),
    "authentication.username": _sign_in("username", is_needed=True),
    "authentication.password": _secret("password"),
    "authentication.token": _secret("token"),
    "authentication.tenantId": _sign_in(
        "tenant_id",
        is_needed=True,
        pattern=Pattern(f"[A-Za-z0-9.-]+|{_PLACEHOLDER}", "must be a tenant ID or a domain."),
        by_provider=((_MICROSOFT, None),),
    ),
    "authentication.oauthTokenEndpoint": _sign_in(
        "oauth_token_endpoint",
        is_needed=True,
        pattern=Pattern(f"https://[^\\s?#]+|{_PLACEHOLDER}", "must be a URL that begins with https://."),
        by_provider=((_GOOGLE, "https://oauth2.googleapis.com/token"), (_OTHER, None)),
    ),
    "authentication.clientId": _sign_in("client_id"),
    "authentication.clientSecret": _secret("client_secret", is_needed=False),
    "authentication.refreshToken": _secret("refresh_token"),
    "authentication.privateKey": _secret("private_key"),
    "authentication.subject": _sign_in("subject", by_provider=((_GOOGLE, None), (_OTHER, None))),
    "authentication.scopes": _sign_in(
        "scopes",
        by_provider=(
            (_MICROSOFT, "https://outlook.office365.com/.default"),
            (_GOOGLE, "https://mail.google.com/"),
            (_OTHER, None),
        ),
    ),
    "authentication.audience": _sign_in("audience", by_provider=((_OTHER, None),)),
    "authentication.clientAuthentication": _sign_in(
        "client_authentication", kind="Dropdown", by_provider=((_OTHER, None),)
    ),
    "parameters.messageId": Look(),
    "parameters.folder": Look(),
    "parameters.fromFolder": Look(),
    "parameters.toFolder": Look(),
    "parameters.message": Look(),
    "parameters.from": Look(),
    "parameters.to": Look(),
    "parameters.cc": Look(),
    "parameters.bcc": Look(),
    "parameters.subject": Look(),
    "parameters.contentType": Look("Dropdown"),
    "parameters.body": Look(
        "Text",
        shown_while=("parameters.contentType", (ContentType.PLAIN.value, ContentType.MULTIPART.value)),
        is_needed=True,
    ),
    "parameters.htmlBody": Look(
        "Text",
        shown_while=("parameters.contentType", (ContentType.HTML.value, ContentType.MULTIPART.value)),
        is_needed=True,
    ),
    "parameters.attachments": Look(feel="required"),
    "parameters.replyTo": Look(),
    "parameters.inReplyTo": Look(),
    "parameters.importance": Look(
        "Dropdown",
        choices=((UNSET, "Not given"), ("high", "High"), ("normal", "Normal"), ("low", "Low")),
    ),
    "parameters.readReceiptTo": Look(),
    "parameters.notify": Look(),
    "parameters.headers": Look(feel="required"),
    "parameters.storeAttachments": Look(
        "Dropdown",
        choices=(
            (UNSET, "If the worker has a document store"),
            ("true", "Always"),
            ("false", "Never: list them only"),
        ),
    ),
    "parameters.markAsRead": Look("Boolean"),
    "parameters.seen": Look("Dropdown", choices=_flag_choices("read", "unread")),
    "parameters.flagged": Look("Dropdown", choices=_flag_choices("flagged", "not flagged")),
    "parameters.answered": Look("Dropdown", choices=_flag_choices("answered", "not answered")),
    "parameters.keywords": Look(feel="required"),
    "parameters.flags": Look(),
    "parameters.pattern": Look(),
    "parameters.since": Look(),
    "parameters.unreadOnly": Look("Boolean"),
    "parameters.criteria": Look("Text"),
    "parameters.maxToBeRead": Look(
        offered="100",
        pattern=Pattern("[1-9][0-9]{0,3}|10000", "must be a whole number from 1 to 10000."),
    ),
    "parameters.sortField": Look("Dropdown"),
    "parameters.sortOrder": Look("Dropdown", offered=SortOrder.DESC.value),
}
"""Every field of every request, in the order of the properties panel."""

_LOOKS_OF: dict[tuple[str, str], Look] = {
    ("email.imap.append", "parameters.seen"): Look("Boolean"),
}


def look_of(task_type: str, path: str) -> Look:
    """Return how a field of an operation is shown."""
    return _LOOKS_OF.get((task_type, path), LOOKS[path])


CHOICE_NAMES: dict[StrEnum, str] = {
    AuthenticationType.SIMPLE: "User name and password",
    AuthenticationType.NO_AUTH: "None",
    AuthenticationType.BEARER: "Access token that the process has (bearer)",
    AuthenticationType.CLIENT_CREDENTIALS: "OAuth 2.0 client credentials",
    AuthenticationType.REFRESH_TOKEN: "OAuth 2.0 refresh token",
    AuthenticationType.JWT_BEARER: "OAuth 2.0 private key (JWT)",
    ClientAuthentication.CREDENTIALS_BODY: "In the body",
    ClientAuthentication.BASIC_AUTH_HEADER: "In the header (Basic)",
    ContentType.PLAIN: "Plain text",
    ContentType.HTML: "HTML",
    ContentType.MULTIPART: "Both plain text and HTML",
    SortField.RECEIVED_DATE: "Date received",
    SortField.SENT_DATE: "Date sent",
    SortField.SIZE: "Size",
    SortOrder.DESC: "Newest or largest first",
    SortOrder.ASC: "Oldest or smallest first",
}

_TLS, _SSL, _NONE = CryptographicProtocol
PORTS: dict[str, dict[CryptographicProtocol, int]] = {
    "smtp": {_TLS: 587, _SSL: 465, _NONE: 25},
    "imap": {_TLS: 993, _SSL: 993, _NONE: 143},
    "pop3": {_TLS: 995, _SSL: 995, _NONE: 110},
}
"""The port offered for each encryption; the worker uses the same one if none is given."""

_TLS_NAMES = {
    "smtp": "TLS with STARTTLS (port 587)",
    "imap": "TLS (port 993; with STARTTLS at 143)",
    "pop3": "TLS (port 995; with STLS at 110)",
}


def encryption_names(protocol: str) -> dict[CryptographicProtocol, str]:
    """Return the choices of the connection to a mail server, with the ports of the protocol."""
    return {
        _TLS: _TLS_NAMES[protocol],
        _SSL: f"SSL: TLS from the start (port {PORTS[protocol][_SSL]})",
        _NONE: f"None: not encrypted (port {PORTS[protocol][_NONE]})",
    }
