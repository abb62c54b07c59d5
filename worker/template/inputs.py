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
from worker.template.panel import AS_CONFIGURED, CHOICE_NAMES, ENCRYPTION_NAMES, LOOKS, PORTS, Look, look_of
from worker.template.property import INPUT, Binding, Condition, Property
from worker.template.wording import WORDINGS

_NEVER_EMPTY = {"Boolean", "Dropdown", "Hidden"}
_ENCRYPTION = "server.cryptographicProtocol"


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
    if path != "server.port":
        made = _property(path, field, look_of(operation.task_type, path), protocol)
        warning = WORDINGS[operation.task_type].warning if path == "parameters.messageId" else ""
        yield replace(made, description=f"{warning}\n{made.description}".strip())
        return
    for encryption, port in PORTS[protocol].items():
        made = _property(path, field, look_of(operation.task_type, path), protocol)
        offered = replace(made, id=f"{made.id}.{encryption.value}", value=str(port))
        yield offered.only_while(Condition(_id(protocol, _ENCRYPTION), (encryption.value,)))


def _property(path: str, field: FieldInfo, look: Look, protocol: str) -> Property:
    values = _members(field.annotation)
    kind = "Hidden" if len(values) == 1 and not look.is_left_to_worker else look.kind
    conditions = (
        [Condition(_id(protocol, look.shown_while[0]), look.shown_while[1])] if look.shown_while else []
    )
    choices = look.choices or _choices(values, protocol) if kind == "Dropdown" else ()
    if look.is_left_to_worker:
        choices = (AS_CONFIGURED, *choices)
    return Property(
        id=_id(protocol, path),
        group=look.group,
        binding=Binding(INPUT, "name", path),
        kind=kind,
        label=field.title or "",
        description=look.description or field.description or "",
        placeholder="" if kind in _NEVER_EMPTY else _example(field, look),
        value=_offered(field, look, choices),
        feel=look.feel,
        is_optional=not (field.is_required() or look.is_needed or kind in _NEVER_EMPTY),
        pattern=look.pattern,
        choices=choices,
        conditions=tuple(conditions),
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


def _choices(values: tuple[StrEnum, ...], protocol: str) -> tuple[tuple[str, str], ...]:
    return tuple((value.value, _name(value, protocol)) for value in values)


def _name(value: StrEnum, protocol: str) -> str:
    if isinstance(value, CryptographicProtocol):
        return ENCRYPTION_NAMES[protocol][value]
    return CHOICE_NAMES[value]


def _default(field: FieldInfo) -> str | bool | None:
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        return default
    return str(default) if isinstance(default, str | int) else None


def _offered(field: FieldInfo, look: Look, choices: tuple[tuple[str, str], ...]) -> str | bool | None:
    default = None if look.is_left_to_worker else look.offered or _default(field)
    return choices[0][0] if default is None and choices else default


def _example(field: FieldInfo, look: Look) -> str:
    example = (field.examples or [""])[0]
    text = example if isinstance(example, str) else json.dumps(example)
    return f"={text}" if look.feel == "required" else text
