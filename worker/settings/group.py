"""Base of all groups of settings."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

PREFIX = "EMAIL_WORKER_"
_USER_INFO = re.compile(r"(^|://)[^\s,]*@")


def _split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


class SettingsGroup(BaseModel):
    """A group of settings. The alias of each is its variable; the text below it describes it in the table."""

    model_config = ConfigDict(
        frozen=True,
        hide_input_in_errors=True,
        extra="forbid",
        allow_inf_nan=False,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )


def without_user_info(text: str) -> str:
    """Return a URL without the user name and password that may stand before its host (RFC 3986, 3.2.1)."""
    return _USER_INFO.sub(r"\1***@", text)
