"""What only Modeler asks: where a field stands, which control shows it, and when it matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from worker.models.authentication import (
    TYPES_WITH_TOKEN_ENDPOINT,
    AuthenticationType,
    ClientAuthentication,
)
from worker.models.base import CryptographicProtocol
from worker.models.email import SortField, SortOrder
from worker.models.smtp import ContentType
from worker.template.property import Feel, Kind, Pattern

GROUPS: tuple[tuple[str, str], ...] = (
    ("operation", "Operation"),
    ("server", "Server"),
    ("sign-in", "Sign-in"),
    ("email", "Email"),
    ("result", "Result"),
    ("errors", "Errors"),
    ("retries", "Retries"),
    ("timeouts", "Timeouts"),
)
"""Id and label, in the order in which a person thinks. The first ones are open from the start."""

OPEN_GROUPS = frozenset({"operation", "server", "sign-in", "email", "result"})

_PLACEHOLDER = r"\{\{ *secrets\.[^{}]+\}\}"
_HOST = r"[^\s/@:]+|[^\s/@:]*(:[^\s/@:]*){2,}"  # one colon parts a name from a port, IPv6 has more
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"  # up to 65535


@dataclass(frozen=True, slots=True)
class Look:
    """How one field of a request is shown.

    `shown_while`: another field and the values with which this one matters. `is_needed`: the model demands
    it whenever it is shown, though its default alone does not say so. `offers`: for each provider of access
    tokens with which it matters, the value, or None for what a person fills in.
    """

    group: str
    kind: Kind = "String"
    feel: Feel | None = "optional"
    shown_while: tuple[str, tuple[str, ...]] | None = None
    is_needed: bool = False
    pattern: Pattern | None = None
    offers: tuple[tuple[str, str | None], ...] = ()


_TYPE = "authentication.type"
_WITH_PASSWORD = (_TYPE, (AuthenticationType.SIMPLE.value,))
_WITH_USER = (
    _TYPE,
    tuple(each.value for each in AuthenticationType if each is not AuthenticationType.NO_AUTH),
)
_WITH_TOKEN = (_TYPE, (AuthenticationType.BEARER.value,))
WITH_TOKEN_ENDPOINT = (_TYPE, tuple(each.value for each in TYPES_WITH_TOKEN_ENDPOINT))
_WITH_SECRET = (_TYPE, tuple(each.value for each in TYPES_WITH_TOKEN_ENDPOINT[:2]))
_WITH_CLIENT = (_TYPE, (AuthenticationType.CLIENT_CREDENTIALS.value,))
_WITH_REFRESH_TOKEN = (_TYPE, (AuthenticationType.REFRESH_TOKEN.value,))
_WITH_KEY = (_TYPE, (AuthenticationType.JWT_BEARER.value,))
_MICROSOFT, _GOOGLE, _OTHER = "microsoft365", "googleWorkspace", "other"
PROVIDERS: tuple[tuple[str, str], ...] = (
    (_MICROSOFT, "Microsoft 365"),
    (_GOOGLE, "Google Workspace"),
    (_OTHER, "Another one"),
)
"""Who gives access tokens: the worker does not see this, but the fields that are filled in by it."""


def _secret_look(shown_while: tuple[str, tuple[str, ...]], example: str, *, is_needed: bool = True) -> Look:
    """Return the look of a field that must name a secret."""
    pattern = Pattern(_PLACEHOLDER, f"must name a secret, such as {{{{secrets.{example}}}}}.")
    return Look("sign-in", shown_while=shown_while, is_needed=is_needed, pattern=pattern)


LOOKS: dict[str, Look] = {
    "server.host": Look(
        "server",
        pattern=Pattern(
            f"{_HOST}|{_PLACEHOLDER}",
            "must be a name such as mail.example.com, without https:// or a port.",
        ),
    ),
    "server.cryptographicProtocol": Look("server", "Dropdown", None),
    "server.port": Look(
        "server",
        pattern=Pattern(f"{_PORT}|{_PLACEHOLDER}", "must be a number from 1 to 65535."),
    ),
    "authentication.type": Look("sign-in", "Dropdown", None),
    "authentication.username": Look("sign-in", shown_while=_WITH_USER, is_needed=True),
    "authentication.password": _secret_look(_WITH_PASSWORD, "MAIL_PASSWORD"),
    "authentication.token": _secret_look(_WITH_TOKEN, "MAIL_TOKEN"),
    "authentication.tenantId": Look(
        "sign-in",
        shown_while=WITH_TOKEN_ENDPOINT,
        is_needed=True,
        pattern=Pattern(f"[A-Za-z0-9.-]+|{_PLACEHOLDER}", "must be a tenant ID or a domain."),
        offers=((_MICROSOFT, None),),
    ),
    "authentication.oauthTokenEndpoint": Look(
        "sign-in",
        shown_while=WITH_TOKEN_ENDPOINT,
        is_needed=True,
        pattern=Pattern(f"https?://[^\\s?#]+|{_PLACEHOLDER}", "must be a URL that begins with https://."),
        offers=((_GOOGLE, "https://oauth2.googleapis.com/token"), (_OTHER, None)),
    ),
    "authentication.clientId": Look(
        "sign-in",
        shown_while=WITH_TOKEN_ENDPOINT,
        offers=tuple((provider, None) for provider, _ in PROVIDERS),
    ),
    "authentication.clientSecret": _secret_look(_WITH_SECRET, "MAIL_CLIENT_SECRET", is_needed=False),
    "authentication.refreshToken": _secret_look(_WITH_REFRESH_TOKEN, "MAIL_REFRESH_TOKEN"),
    "authentication.privateKey": _secret_look(_WITH_KEY, "MAIL_PRIVATE_KEY"),
    "authentication.subject": Look(
        "sign-in", shown_while=_WITH_KEY, offers=((_GOOGLE, None), (_OTHER, None))
    ),
    "authentication.scopes": Look(
        "sign-in",
        shown_while=WITH_TOKEN_ENDPOINT,
        offers=(
            (_MICROSOFT, "https://outlook.office365.com/.default"),
            (_GOOGLE, "https://mail.google.com/"),
            (_OTHER, None),
        ),
    ),
    "authentication.audience": Look(
        "sign-in", shown_while=(_TYPE, (_WITH_CLIENT[1] + _WITH_KEY[1])), offers=((_OTHER, None),)
    ),
    "authentication.clientAuthentication": Look(
        "sign-in", "Dropdown", None, shown_while=_WITH_SECRET, offers=((_OTHER, None),)
    ),
    "parameters.from": Look("email"),
    "parameters.to": Look("email"),
    "parameters.cc": Look("email"),
    "parameters.bcc": Look("email"),
    "parameters.subject": Look("email"),
    "parameters.contentType": Look("email", "Dropdown", None),
    "parameters.body": Look(
        "email",
        "Text",
        shown_while=("parameters.contentType", (ContentType.PLAIN.value, ContentType.MULTIPART.value)),
        is_needed=True,
    ),
    "parameters.htmlBody": Look(
        "email",
        "Text",
        shown_while=("parameters.contentType", (ContentType.HTML.value, ContentType.MULTIPART.value)),
        is_needed=True,
    ),
    "parameters.attachments": Look("email", feel="required"),
    "parameters.headers": Look("email", feel="required"),
    "parameters.messageId": Look("email"),
    "parameters.folder": Look("email"),
    "parameters.fromFolder": Look("email"),
    "parameters.toFolder": Look("email"),
    "parameters.storeAttachments": Look("email", "Boolean", None),
    "parameters.criteria": Look("email", "Text"),
    "parameters.maxToBeRead": Look(
        "email",
        pattern=Pattern("[1-9][0-9]{0,3}|10000", "must be a whole number from 1 to 10000."),
    ),
    "parameters.sortField": Look("email", "Dropdown", None),
    "parameters.sortOrder": Look("email", "Dropdown", None),
}
"""Every field of every request, in the order of the panel."""

CHOICE_NAMES: dict[StrEnum, str] = {
    AuthenticationType.SIMPLE: "User name and password",
    AuthenticationType.NO_AUTH: "Nothing",
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
    SortOrder.ASC: "Oldest or smallest first",
    SortOrder.DESC: "Newest or largest first",
}

ENCRYPTION_NAMES: dict[str, dict[CryptographicProtocol, str]] = {
    "smtp": {
        CryptographicProtocol.TLS: "TLS, begun by STARTTLS (port 587)",
        CryptographicProtocol.SSL: "SSL: TLS from the start (port 465)",
        CryptographicProtocol.NONE: "None: not protected (port 25)",
    },
    "imap": {
        CryptographicProtocol.TLS: "TLS (port 993; at 143 begun by STARTTLS)",
        CryptographicProtocol.SSL: "SSL: TLS from the start (port 993)",
        CryptographicProtocol.NONE: "None: not protected (port 143)",
    },
    "pop3": {
        CryptographicProtocol.TLS: "TLS (port 995; at 110 begun by STLS)",
        CryptographicProtocol.SSL: "SSL: TLS from the start (port 995)",
        CryptographicProtocol.NONE: "None: not protected (port 110)",
    },
}

PORTS: dict[str, dict[CryptographicProtocol, int]] = {
    "smtp": {
        CryptographicProtocol.TLS: 587,
        CryptographicProtocol.SSL: 465,
        CryptographicProtocol.NONE: 25,
    },
    "imap": {
        CryptographicProtocol.TLS: 993,
        CryptographicProtocol.SSL: 993,
        CryptographicProtocol.NONE: 143,
    },
    "pop3": {
        CryptographicProtocol.TLS: 995,
        CryptographicProtocol.SSL: 995,
        CryptographicProtocol.NONE: 110,
    },
}
"""The port that each encryption offers: the worker's own choice where none is given."""
