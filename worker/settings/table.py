"""All settings: read from the environment, checked, and listed in the docs."""

from __future__ import annotations

import difflib
import io
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from worker.errors import InputError
from worker.models.expectation import expectation
from worker.settings.camunda_names import NAMES, near_misses
from worker.settings.defaults import DEFAULTS, DefaultAccount
from worker.settings.gateway import GatewaySettings
from worker.settings.group import PREFIX, SettingsGroup, without_credentials
from worker.settings.traces import TraceSettings
from worker.settings.worker import WorkerSettings

S = TypeVar("S", bound=BaseModel)
_GROUPS: list[type[BaseModel]] = [GatewaySettings, WorkerSettings, *DEFAULTS.values(), TraceSettings]
_READ_BY_THE_SANDBOX = {"EMAIL_WORKER_SANDBOX_CACHE"}
_SHOWN_CHARACTERS = 60
_NAME = re.compile("[A-Z_]+")


class Settings(SettingsGroup):
    """All groups of settings."""

    gateway: GatewaySettings
    worker: WorkerSettings
    defaults: Mapping[str, DefaultAccount]
    traces: TraceSettings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all groups; InputError has a line for each wrong variable, or for each misspelt one."""
        given = {name: value for name, value in environment.items() if value.strip()}
        misspelt = (*near_misses(sorted(given), _aliases(GatewaySettings)), *_unknown(given))
        _refuse([f"{wrong} is not a setting; did you mean {right}?" for wrong, right in misspelt])
        faults: list[str] = []
        gateway = _read_gateway(given, faults)
        worker = _read(WorkerSettings, given, faults)
        defaults = {protocol: _read(model, given, faults) for protocol, model in DEFAULTS.items()}
        traces = _read(TraceSettings, given, faults)
        _refuse(faults)
        return cls(gateway=gateway, worker=worker, defaults=defaults, traces=traces)


def read_environment(env_file: Path | None = None) -> dict[str, str]:
    """Return the process's environment over that of `env_file` (default: `.env` here, if it is a file).

    Raises InputError if the file or a line of it cannot be read.
    """
    path = env_file or Path(".env")
    from_file = _read_env_file(path) if env_file is not None or path.is_file() else {}
    return {name: value for name, value in from_file.items() if value is not None} | dict(os.environ)


def _read_env_file(path: Path) -> dict[str, str | None]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fault = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read as text"
        raise InputError(f"The env file {path} {fault}.", field="--env-file") from error
    complaints: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        complaints.append(record.getMessage())
        return False

    # dotenv leaves out what it cannot read, and only logs the number of the line.
    logger = logging.getLogger("dotenv.main")
    logger.addFilter(keep)
    try:
        values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    finally:
        logger.removeFilter(keep)
    for complaint in complaints:
        raise InputError(
            f"The env file {path} cannot be read ({complaint}); each line must be NAME=value, and quotes must"
            " be closed.",
            field="--env-file",
        )
    return values


def settings_fields() -> list[tuple[str, str, str]]:
    """Return (variable, default, description) for each setting, in the order of the table."""
    return [
        (str(info.alias), _shown(info.default, name), _described(info))
        for model in _GROUPS
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


def _unknown(given: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name with the worker's prefix that is no setting, with the nearest that is one."""
    known = [alias for model in _GROUPS for alias in _aliases(model)]
    for name in given:
        if name.startswith(PREFIX) and name not in (*known, *_READ_BY_THE_SANDBOX):
            yield name, difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]


def _refuse(faults: list[str]) -> None:
    if faults:
        # Every sentence begins with the name of the variable.
        raise InputError("\n".join(faults), field=re.split(r"\W", faults[0], maxsplit=1)[0])


def _read_gateway(given: Mapping[str, str], faults: list[str]) -> GatewaySettings:
    """Read each setting from the first of its names that is set; errors use this name."""
    spelled = {
        alias: next((name for name in NAMES.get(alias, (alias,)) if name in given), alias)
        for alias in _aliases(GatewaySettings)
    }
    values = {alias: given[name] for alias, name in spelled.items() if name in given}
    return _read(GatewaySettings, values, faults, spelled)


def _read(
    model: type[S], values: Mapping[str, str], faults: list[str], spelled: Mapping[str, str] | None = None
) -> S:
    """Return the settings of a group, or its defaults with a sentence for each of its `faults`."""
    try:
        return model.model_validate({alias: values[alias] for alias in _aliases(model) if alias in values})
    except ValidationError as error:
        for each in error.errors():
            sentence = _sentence(str(each["loc"][0]) if each["loc"] else "", each)
            # By the names that the operator has used.
            faults.append(_NAME.sub(lambda name: (spelled or {}).get(name[0], name[0]), sentence))
        return model()


def _sentence(name: str, error: ErrorDetails) -> str:
    expected = expectation(error)
    if not name:
        return f"{expected}."
    found = "" if "found" in expected else f"; found {_shortened(error['input'])!r}"
    return f"{name} {expected}{found}."


def _shortened(value: Any) -> str:
    return without_credentials(str(value))[:_SHOWN_CHARACTERS]
