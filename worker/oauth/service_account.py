"""The JSON key of a service account, as Google gives it to an administrator."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from typing import Any

from worker.errors import InputError

_FIELD = "authentication.privateKey"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What the JSON key of a service account says (Google)."""

    email: str
    private_key: str
    key_id: str
    token_endpoint: str


def read_service_account(text: str) -> ServiceAccount:
    """Read a JSON key; raises InputError."""
    try:
        content: Any = json.loads(text)
        account = ServiceAccount(
            email=content["client_email"],
            private_key=content["private_key"],
            key_id=content.get("private_key_id", ""),
            token_endpoint=content.get("token_uri", ""),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(
            f"{_FIELD} must be the whole JSON key of a service account, with client_email and private_key.",
            field=_FIELD,
        ) from None
    if not all(isinstance(part, str) for part in astuple(account)):
        raise InputError(f"{_FIELD} must be a JSON key whose entries are texts.", field=_FIELD)
    return account
