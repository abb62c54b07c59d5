"""The default mail servers and accounts of tasks without their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.models.authentication import AuthenticationType
from worker.models.base import CryptographicProtocol, read_host
from worker.settings.group import PREFIX, SettingsGroup


class DefaultAccount(SettingsGroup):
    """The default mail server and account of the tasks of one protocol.

    `without_account`: how to sign in if no account is given.
    """

    without_account: ClassVar[Mapping[str, str]] = {}

    host: str | None = None
    """Mail server of tasks that name none."""
    port: int | None = Field(None, ge=1, le=65_535)
    """Its port, if not the usual one."""
    cryptographic_protocol: CryptographicProtocol = CryptographicProtocol.TLS
    """`TLS`, `SSL` or `NONE`."""
    username: str | None = None
    """User of tasks that name neither server nor user."""
    password: SecretStr | None = None
    """Its password."""
    authentication: SecretStr | None = None
    """In place of user and password: `authentication` of a task as JSON, such as for OAuth 2.0."""

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str | None) -> str | None:
        # Each job resolves the secret that it may name.
        return host if host is None or "{{" in host else read_host(host)

    @field_validator("cryptographic_protocol", mode="before")
    @classmethod
    def _whatever_the_case(cls, word: Any) -> Any:
        return word.strip().upper() if isinstance(word, str) else word

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        prefix = str(type(self).model_fields["host"].alias).removesuffix("_HOST")
        if (self.username is None) != (self.password is None):
            raise ValueError(f"{prefix}_USERNAME and {prefix}_PASSWORD must be given together")
        if self.username is not None and self.authentication is not None:
            raise ValueError(f"{prefix}_AUTHENTICATION and {prefix}_USERNAME exclude each other")
        for name in ("username", "authentication"):
            if getattr(self, name) is not None and self.host is None:
                raise ValueError(f"{prefix}_HOST is required if {prefix}_{name.upper()} is given")
        types = [each.value for each in AuthenticationType]
        # Its fields may name secrets, so each job checks them.
        if self.authentication is not None and _read(self.authentication).get("type") not in types:
            raise ValueError(
                f"{prefix}_AUTHENTICATION must be a JSON object whose type is one of {', '.join(types)}"
            )
        return self

    def variables(self) -> dict[str, dict[str, Any]]:
        """Return `server`, and `authentication` if any, as job variables; empty without a server."""
        if self.host is None:
            return {}
        encryption = self.cryptographic_protocol.value
        server = {"host": self.host, "port": self.port, "cryptographicProtocol": encryption}
        sign_in = self._sign_in()
        return {"server": server, **({"authentication": sign_in} if sign_in else {})}

    def _sign_in(self) -> dict[str, Any]:
        if self.authentication is not None:
            return _read(self.authentication)
        if self.username is not None and self.password is not None:
            password = self.password.get_secret_value()
            return {"type": "simple", "username": self.username, "password": password}
        return dict(self.without_account)


class SmtpDefaults(DefaultAccount, alias_generator=lambda name: f"{PREFIX}DEFAULT_SMTP_{name.upper()}"):
    """Those of SMTP."""

    without_account = MappingProxyType({"type": AuthenticationType.NO_AUTH.value})


class ImapDefaults(DefaultAccount, alias_generator=lambda name: f"{PREFIX}DEFAULT_IMAP_{name.upper()}"):
    """Those of IMAP."""


class Pop3Defaults(DefaultAccount, alias_generator=lambda name: f"{PREFIX}DEFAULT_POP3_{name.upper()}"):
    """Those of POP3."""


DEFAULTS: dict[str, type[DefaultAccount]] = {"smtp": SmtpDefaults, "imap": ImapDefaults, "pop3": Pop3Defaults}


def _read(given: SecretStr) -> dict[str, Any]:
    """Return the fields of a JSON object, or none of anything else."""
    try:
        read = json.loads(given.get_secret_value())
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
