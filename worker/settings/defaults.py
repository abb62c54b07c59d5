"""The default mail servers and accounts of tasks without their own."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, Self

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from worker.models.authentication import AuthenticationType
from worker.models.base import CryptographicProtocol
from worker.settings.group import PREFIX, SettingsGroup

DEFAULT_PREFIX = f"{PREFIX}DEFAULT_"
PROTOCOLS = ("smtp", "imap", "pop3")


class DefaultSettings(SettingsGroup):
    """The default mail servers and accounts of tasks without their own."""

    model_config = ConfigDict(alias_generator=lambda name: DEFAULT_PREFIX + name.upper())

    smtp_host: str | None = None
    """SMTP server of tasks that name none."""
    smtp_port: int | None = Field(None, ge=1, le=65_535)
    """Its port, if not the usual one."""
    smtp_cryptographic_protocol: CryptographicProtocol = CryptographicProtocol.TLS
    """`TLS`, `SSL` or `NONE`."""
    smtp_username: str | None = None
    """User of tasks that name neither server nor user."""
    smtp_password: SecretStr | None = None
    """Its password."""
    smtp_authentication: SecretStr | None = None
    """In place of user and password: `authentication` of a task as JSON, such as for OAuth 2.0."""
    imap_host: str | None = None
    """IMAP server of tasks that name none."""
    imap_port: int | None = Field(None, ge=1, le=65_535)
    """Its port, if not the usual one."""
    imap_cryptographic_protocol: CryptographicProtocol = CryptographicProtocol.TLS
    """`TLS`, `SSL` or `NONE`."""
    imap_username: str | None = None
    """User of tasks that name neither server nor user."""
    imap_password: SecretStr | None = None
    """Its password."""
    imap_authentication: SecretStr | None = None
    """In place of user and password: `authentication` of a task as JSON, such as for OAuth 2.0."""
    pop3_host: str | None = None
    """POP3 server of tasks that name none."""
    pop3_port: int | None = Field(None, ge=1, le=65_535)
    """Its port, if not the usual one."""
    pop3_cryptographic_protocol: CryptographicProtocol = CryptographicProtocol.TLS
    """`TLS`, `SSL` or `NONE`."""
    pop3_username: str | None = None
    """User of tasks that name neither server nor user."""
    pop3_password: SecretStr | None = None
    """Its password."""
    pop3_authentication: SecretStr | None = None
    """In place of user and password: `authentication` of a task as JSON, such as for OAuth 2.0."""

    @field_validator(*(f"{protocol}_cryptographic_protocol" for protocol in PROTOCOLS), mode="before")
    @classmethod
    def _whatever_the_case(cls, word: Any) -> Any:
        return word.strip().upper() if isinstance(word, str) else word

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        for protocol in PROTOCOLS:
            _check(f"{DEFAULT_PREFIX}{protocol.upper()}", self._given(protocol))
        return self

    def variables(self, protocol: str) -> dict[str, dict[str, Any]]:
        """Return `server` and `authentication` in the form of job variables; empty without a server."""
        given = self._given(protocol)
        if given.host is None:
            return {}
        sign_in = {"type": "noAuth"}
        if given.authentication is not None:
            sign_in = _read(given.authentication)
        elif given.username is not None:
            password = given.password.get_secret_value()
            sign_in = {"type": "simple", "username": given.username, "password": password}
        encryption = given.cryptographic_protocol.value
        server = {"host": given.host, "port": given.port, "cryptographicProtocol": encryption}
        return {"server": server, "authentication": sign_in}

    def _given(self, protocol: str) -> SimpleNamespace:
        """Return the settings of one protocol, without its name before theirs."""
        start = f"{protocol}_"
        return SimpleNamespace(
            **{name.removeprefix(start): value for name, value in self if name.startswith(start)}
        )


def _check(prefix: str, given: SimpleNamespace) -> None:
    if (given.username is None) != (given.password is None):
        raise ValueError(f"{prefix}_USERNAME and {prefix}_PASSWORD must be given together")
    if given.username is not None and given.authentication is not None:
        raise ValueError(f"{prefix}_AUTHENTICATION and {prefix}_USERNAME exclude each other")
    for name in ("USERNAME", "AUTHENTICATION"):
        if getattr(given, name.lower()) is not None and given.host is None:
            raise ValueError(f"{prefix}_HOST is required if {prefix}_{name} is given")
    types = [each.value for each in AuthenticationType]
    # Its fields may name secrets, so each job checks them.
    if given.authentication is not None and _read(given.authentication).get("type") not in types:
        raise ValueError(
            f"{prefix}_AUTHENTICATION must be a JSON object whose type is one of {', '.join(types)}"
        )


def _read(given: SecretStr) -> dict[str, Any]:
    """Return the fields of a JSON object, or none of anything else."""
    try:
        read = json.loads(given.get_secret_value())
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
