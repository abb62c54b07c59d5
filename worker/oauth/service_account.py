"""The JSON key of a service account, as Google gives it to an administrator."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, Field

from worker.errors import InputError

_FIELD = "authentication.privateKey"


class ServiceAccount(BaseModel):
    """What the JSON key of a service account says (Google)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    client_email: str
    private_key: str = Field(repr=False)
    private_key_id: str = ""
    token_uri: str = ""


def read_service_account(text: str) -> ServiceAccount:
    """Read a JSON key; raises InputError."""
    try:
        # An env file may have turned the `\n` of the private key into line breaks.
        return ServiceAccount.model_validate(json.loads(text, strict=False))
    except (ValueError, RecursionError):
        raise InputError(
            f"{_FIELD} must be the whole JSON key of a service account, with client_email and private_key.",
            field=_FIELD,
        ) from None
