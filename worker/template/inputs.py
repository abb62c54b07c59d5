"""The fields of a request model as properties, each bound to the input variable that the worker reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from worker.models.base import CryptographicProtocol
from worker.operations.catalogue import Operation
from worker.template.panel import (
    AS_CONFIGURED,
    CHOICE_NAMES,
    LOOKS,
    PORTS,
    PROVIDERS,
    WITH_TOKEN_ENDPOINT,
    Look,
    encryption_names,
    look_of,
)
from worker.template.property import INPUT, Binding, Condition, Property
from worker.template.wording import WORDINGS

_GROUPS = {"server": "server", "authentication": "authentication", "parameters": "email"}
_NEVER_EMPTY = {"Boolean", "Dropdown", "Hidden"}
_ENCRYPTION = "server.cryptographicProtocol"
_PROVIDER = "authentication.provider"


def input_properties(operation: Operation) -> list[Property]:
    """Return the properties of all fields of the operation's request, in the order of the panel."""
    fields = dict(request_fields(operation))
    if homeless := set(fields) - set(LOOKS):
        raise LookupError(f"worker/template/panel.py does not say how to show {', '.join(sorted(homeless))}")
    ordered = [path for path in LOOKS if path in fields]
    return [made for path in ordered for made in _properties(path, fields[path], operation)]


def request_fields(operation: Operation) -> Iterator[tuple[str, FieldInfo]]:
    """Yield each field of the request under its path, such as `server.host`."""
    for variable, group in operation.request.model_fields.items():
        model = group.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{operation.task_type}: {variable} is not a model")
        for name, field in model.model_fields.items():
            yield f"{variable}.{field.alias or name}", field


def _properties(path: str, field: FieldInfo, operation: Operation) -> Iterator[Property]:
    protocol = operation.protocol.value
    look = look_of(operation.task_type, path)
    made = _property(path, field, look, protocol)
    if path == "server.port":
        for encryption, port in PORTS[protocol].items():
            offered = replace(made, id=f"{made.id}.{encryption.value}", value=str(port))
            yield offered.only_while(Condition(_id(protocol, _ENCRYPTION), (encryption.value,)))
    elif look.by_provider:
        yield from _by_provider(made, look, protocol)
    elif path == "parameters.messageId":
        warning = WORDINGS[operation.task_type].warning
        yield replace(made, description=f"{warning}\n{made.description}".strip())
    else:
        yield made
    if path == "authentication.type":
        yield _provider(protocol)


def _provider(protocol: str) -> Property:
    """Return the choice of who gives access tokens."""
    return Property(
        id=_id(protocol, _PROVIDER),
        group="authentication",
        # It stays in the diagram: Camunda passes no zeebe:property to the job.
        binding=Binding("zeebe:property", "name", _PROVIDER),
        kind="Dropdown",
        label="Provider",
        description="Who gives the access tokens: fills in what is the same for all of its customers.",
        value=PROVIDERS[0][0],
        choices=PROVIDERS,
        conditions=(Condition(_id(protocol, WITH_TOKEN_ENDPOINT[0]), WITH_TOKEN_ENDPOINT[1]),),
    )


def _by_provider(made: Property, look: Look, protocol: str) -> Iterator[Property]:
    """Yield a field once for each value that providers fill in, and once for a person to fill in."""
    for value in dict.fromkeys(value for _, value in look.by_provider):
        providers = tuple(provider for provider, offered in look.by_provider if offered == value)
        shown = made if value is None else _constant(made, providers[0], value)
        yield shown.only_while(Condition(_id(protocol, _PROVIDER), providers))


def _constant(made: Property, provider: str, value: str) -> Property:
    return Property(
        id=f"{made.id}.{provider}",
        group=made.group,
        binding=made.binding,
        kind="Hidden",
        label=made.label,
        description=made.description,
        value=value,
        conditions=made.conditions,
    )


def _property(path: str, field: FieldInfo, look: Look, protocol: str) -> Property:
    members = _members(field.annotation)
    shown, values = look.shown_while or ("", ())
    kind = "Hidden" if len(members) == 1 and not look.is_left_to_worker else look.kind
    choices = (
        look.choices or tuple((value.value, _name(value, protocol)) for value in members)
        if kind == "Dropdown"
        else ()
    )
    if look.is_left_to_worker:
        choices = (AS_CONFIGURED, *choices)
    return Property(
        id=_id(protocol, path),
        group=_GROUPS[path.partition(".")[0]],
        binding=Binding(INPUT, "name", path),
        kind=kind,
        label=field.title or "",
        description=look.description or " ".join((field.description or "").split()),
        placeholder="" if kind in _NEVER_EMPTY else _example(field, look),
        value=_offered(field, look, choices),
        feel=None if kind in _NEVER_EMPTY else look.feel,
        is_optional=not (field.is_required() or look.is_needed or kind in _NEVER_EMPTY),
        pattern=look.pattern,
        choices=choices,
        conditions=(Condition(_id(protocol, shown), values),) if shown else (),
    )


def _id(protocol: str, path: str) -> str:
    return f"{protocol}.{path}"


def _members(annotation: Any) -> tuple[StrEnum, ...]:
    """Return what an enum or a choice of its members admits, or nothing for any other type."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (UnionType, Union):  # with None: the field may be left out
        return tuple(value for each in get_args(annotation) for value in _members(each))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return tuple(annotation)
    return ()


def _name(value: StrEnum, protocol: str) -> str:
    if isinstance(value, CryptographicProtocol):
        return encryption_names(protocol)[value]
    return CHOICE_NAMES[value]


def _offered(field: FieldInfo, look: Look, choices: tuple[tuple[str, str], ...]) -> str | bool | None:
    """Return what a new task has: the model's default if the look has no other, or the first choice."""
    default = look.offered or field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool | str | int) and not look.is_left_to_worker:
        return default if isinstance(default, bool) else str(default)
    return choices[0][0] if choices else None


def _example(field: FieldInfo, look: Look) -> str:
    example = (field.examples or [""])[0]
    text = example if isinstance(example, str) else json.dumps(example)
    return f"={text}" if look.feel == "required" else text
