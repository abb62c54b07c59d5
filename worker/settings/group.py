"""Base of all groups of settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

PREFIX = "EMAIL_WORKER_"
# A password may have any character. A `?` without a `=` is that of a pattern.
_USER_INFO = re.compile(r"(^|://).*@", re.DOTALL)
_QUERY = re.compile(r"\?.*=.*|#.*", re.DOTALL)


def _split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _is_no_content(value: Any) -> Any:
    # A private key in place of its file must not be shown.
    if isinstance(value, str) and ("\n" in value.strip() or "-----BEGIN" in value):
        raise ValueError("must be a path; found the content of a file")
    return value


PathSetting = Annotated[Path, BeforeValidator(_is_no_content)]
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


def without_credentials(text: str) -> str:
    """Return a URL without its user name, password (RFC 3986, 3.2.1), query and fragment."""
    return _QUERY.sub("***", _USER_INFO.sub(r"\1***@", text))
