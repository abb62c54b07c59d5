"""All settings: read from the environment, checked, and listed in the docs."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from worker.errors import InputError
from worker.models.expectation import expectation
from worker.settings.camunda_names import NAMES, near_misses
from worker.settings.defaults import DEFAULT_PREFIX, DefaultSettings
from worker.settings.gateway import GatewaySettings
from worker.settings.group import PREFIX, SettingsGroup, without_credentials
from worker.settings.traces import TraceSettings
from worker.settings.worker import WorkerSettings

S = TypeVar("S", bound=BaseModel)
_READ_BY_THE_SANDBOX = {"EMAIL_WORKER_SANDBOX_CACHE"}
_SHOWN_CHARACTERS = 60


class Settings(SettingsGroup):
    """All groups of settings."""

    gateway: GatewaySettings
    worker: WorkerSettings
    defaults: DefaultSettings = DefaultSettings()
    traces: TraceSettings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all groups; InputError names the variable that is wrong, misspelt ones included."""
        given = {name: value for name, value in environment.items() if value.strip()}
        ours = {
            name: value
            for name, value in given.items()
            if name.startswith(PREFIX) and name not in _READ_BY_THE_SANDBOX
        }
        defaults = {name: ours.pop(name) for name in list(ours) if name.startswith(DEFAULT_PREFIX)}
        for wrong, right in near_misses(sorted(given), _aliases(GatewaySettings)):
            raise InputError(_did_you_mean(wrong, right), field=wrong)
        return cls(
            gateway=_read_gateway(given),
            worker=_read(WorkerSettings, ours),
            defaults=_read(DefaultSettings, defaults),
            traces=_read(TraceSettings, {n: given[n] for n in _aliases(TraceSettings) if n in given}),
        )


def read_environment(env_file: Path | None = None) -> dict[str, str]:
    """Return the process's environment over that of `env_file` (default: `.env` here, if it exists).

    Raises InputError if a named file cannot be read.
    """
    if env_file is not None and not env_file.is_file():
        raise InputError(f"The env file {env_file} does not exist.", field="--env-file")
    path = env_file or Path(".env")
    try:
        from_file = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The env file {path} cannot be read as text.", field="--env-file") from error
    return {name: value for name, value in from_file.items() if value is not None} | dict(os.environ)


def settings_fields() -> list[tuple[str, str, str]]:
    """Return (variable, default, description) for each setting, in the order of the table."""
    return [
        (str(info.alias), _shown(info.default, name), _described(info))
        for model in (GatewaySettings, WorkerSettings, DefaultSettings, TraceSettings)
        for name, info in model.model_fields.items()
    ]


def _shown(default: Any, name: str) -> str:
    if name == "name":
        return "host name"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        default = ", ".join(default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default else ""


def _aliases(model: type[BaseModel]) -> list[str]:
    return [str(info.alias) for info in model.model_fields.values()]


def _described(info: FieldInfo) -> str:
    description = " ".join((info.description or "").split())
    others = [f"`{other}`" for other in NAMES.get(str(info.alias), ()) if other != info.alias]
    return f"{description} Also read as {', '.join(others)}." if others else description


def _read_gateway(given: Mapping[str, str]) -> GatewaySettings:
    """Read each setting from the first of its names that is set; errors use this name."""
    spelled = {
        alias: next((name for name in NAMES.get(alias, (alias,)) if name in given), alias)
        for alias in _aliases(GatewaySettings)
    }
    values = {alias: given[name] for alias, name in spelled.items() if name in given}
    return _read(GatewaySettings, values, spelled)


def _read(model: type[S], values: Mapping[str, str], spelled: Mapping[str, str] | None = None) -> S:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        alias = str(first["loc"][0]) if first["loc"] else ""
        sentence = _sentence(model, (spelled or {}).get(alias, alias), first)
        # Every sentence begins with the name of the variable.
        raise InputError(sentence, field=re.split(r"\W", sentence, maxsplit=1)[0]) from None


def _sentence(model: type[BaseModel], name: str, error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, _aliases(model), n=1, cutoff=0.0)
        return _did_you_mean(name, close[0])
    expected = expectation(error)
    if not name:
        return f"{expected}."
    found = "" if "found" in expected else f"; found {_shortened(error['input'])!r}"
    return f"{name} {expected}{found}."


def _did_you_mean(wrong: str, right: str) -> str:
    return f"{wrong} is not a setting; did you mean {right}?"


def _shortened(value: Any) -> str:
    return without_credentials(str(value))[:_SHOWN_CHARACTERS]
