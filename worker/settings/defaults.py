"""The default mail servers and accounts of tasks without their own."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import SecretStr, field_validator, model_validator

from worker.models.authentication import AuthenticationType
from worker.models.base import CryptographicProtocol
from worker.settings.group import PREFIX, SettingsGroup, setting

DEFAULT_PREFIX = f"{PREFIX}DEFAULT_"
PROTOCOLS = ("smtp", "imap", "pop3")


_SIGN_IN = "In place of user and password: `authentication` of a task as JSON, such as for OAuth 2.0."


def _setting(name: str, description: str, default: Any = None, **bounds: Any) -> Any:
    return setting(f"DEFAULT_{name}", default, description, **bounds)


class DefaultSettings(SettingsGroup):
    """The default mail servers and accounts of tasks without their own."""

    smtp_host: str | None = _setting("SMTP_HOST", "SMTP server of tasks that name none.")
    smtp_port: int | None = _setting("SMTP_PORT", "Its port, if not the usual one.", ge=1, le=65_535)
    smtp_cryptographic_protocol: CryptographicProtocol = _setting(
        "SMTP_CRYPTOGRAPHIC_PROTOCOL", "`TLS`, `SSL` or `NONE`.", CryptographicProtocol.TLS
    )
    smtp_username: str | None = _setting("SMTP_USERNAME", "User of tasks that name neither server nor user.")
    smtp_password: SecretStr | None = _setting("SMTP_PASSWORD", "Its password.")
    smtp_authentication: SecretStr | None = _setting("SMTP_AUTHENTICATION", _SIGN_IN)
    imap_host: str | None = _setting("IMAP_HOST", "IMAP server of tasks that name none.")
    imap_port: int | None = _setting("IMAP_PORT", "Its port, if not the usual one.", ge=1, le=65_535)
    imap_cryptographic_protocol: CryptographicProtocol = _setting(
        "IMAP_CRYPTOGRAPHIC_PROTOCOL", "`TLS`, `SSL` or `NONE`.", CryptographicProtocol.TLS
    )
    imap_username: str | None = _setting("IMAP_USERNAME", "User of tasks that name neither server nor user.")
    imap_password: SecretStr | None = _setting("IMAP_PASSWORD", "Its password.")
    imap_authentication: SecretStr | None = _setting("IMAP_AUTHENTICATION", _SIGN_IN)
    pop3_host: str | None = _setting("POP3_HOST", "POP3 server of tasks that name none.")
    pop3_port: int | None = _setting("POP3_PORT", "Its port, if not the usual one.", ge=1, le=65_535)
    pop3_cryptographic_protocol: CryptographicProtocol = _setting(
        "POP3_CRYPTOGRAPHIC_PROTOCOL", "`TLS`, `SSL` or `NONE`.", CryptographicProtocol.TLS
    )
    pop3_username: str | None = _setting("POP3_USERNAME", "User of tasks that name neither server nor user.")
    pop3_password: SecretStr | None = _setting("POP3_PASSWORD", "Its password.")
    pop3_authentication: SecretStr | None = _setting("POP3_AUTHENTICATION", _SIGN_IN)

    @field_validator(*(f"{protocol}_cryptographic_protocol" for protocol in PROTOCOLS), mode="before")
    @classmethod
    def _whatever_the_case(cls, word: Any) -> Any:
        return word.strip().upper() if isinstance(word, str) else word

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        for protocol in PROTOCOLS:
            prefix = f"{DEFAULT_PREFIX}{protocol.upper()}"
            host, username, password = (
                getattr(self, f"{protocol}_{name}") for name in ("host", "username", "password")
            )
            if (username is None) != (password is None):
                raise ValueError(f"{prefix}_USERNAME and {prefix}_PASSWORD must be given together")
            if username is not None and host is None:
                raise ValueError(f"{prefix}_HOST is required if {prefix}_USERNAME is given")
            self._check_authentication(protocol, prefix)
        return self

    def _check_authentication(self, protocol: str, prefix: str) -> None:
        given = getattr(self, f"{protocol}_authentication")
        if given is None:
            return
        if getattr(self, f"{protocol}_username") is not None:
            raise ValueError(f"{prefix}_AUTHENTICATION and {prefix}_USERNAME exclude each other")
        if getattr(self, f"{protocol}_host") is None:
            raise ValueError(f"{prefix}_HOST is required if {prefix}_AUTHENTICATION is given")
        types = [each.value for each in AuthenticationType]
        # Its fields may name secrets, so each job checks them.
        if _read(given).get("type") not in types:
            raise ValueError(
                f"{prefix}_AUTHENTICATION must be a JSON object whose type is one of {', '.join(types)}"
            )

    def variables(self, protocol: str) -> dict[str, dict[str, Any]]:
        """Return `server` and `authentication` in the form of job variables; empty without a server."""
        host = getattr(self, f"{protocol}_host")
        if host is None:
            return {}
        username, password = getattr(self, f"{protocol}_username"), getattr(self, f"{protocol}_password")
        server = {
            "host": host,
            "port": getattr(self, f"{protocol}_port"),
            "cryptographicProtocol": getattr(self, f"{protocol}_cryptographic_protocol").value,
        }
        authentication = getattr(self, f"{protocol}_authentication")
        if authentication is not None:
            return {"server": server, "authentication": _read(authentication)}
        if username is None:
            return {"server": server, "authentication": {"type": "noAuth"}}
        signed_in = {"type": "simple", "username": username, "password": password.get_secret_value()}
        return {"server": server, "authentication": signed_in}


def _read(given: SecretStr) -> dict[str, Any]:
    """Return the fields of a JSON object, or none of anything else."""
    try:
        read = json.loads(given.get_secret_value())
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
