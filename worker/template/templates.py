"""The templates: one for each operation, and "Email" with all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from worker.operations.catalogue import CATALOGUE, Operation
from worker.template.icons import icon
from worker.template.inputs import input_properties
from worker.template.job_properties import job_properties
from worker.template.panel import GROUPS, LOOKS, OPEN_GROUPS
from worker.template.property import Binding, Condition, Property
from worker.template.versions import VERSIONS
from worker.template.wording import WORDINGS

# Web Modeler accepts only this address, without a version in it.
SCHEMA = "https://unpkg.com/@camunda/zeebe-element-templates-json-schema/resources/schema.json"
# The address of the pages in docs/.
DOCUMENTATION = "https://github.com/camunda-email-worker/camunda-email-worker/blob/main/docs/{page}.md"
# Camunda 8.6 and 8.7 refuse an input that is left empty.
ENGINES = "^8.8"
ID_PREFIX = "camunda-email-worker"
_TASK_TYPE = Binding("zeebe:taskDefinition", "property", "type")
_PROTOCOLS = {
    "smtp": "SMTP: send email",
    "imap": "IMAP: work with the folders of a mailbox",
    "pop3": "POP3: collect email from a mailbox",
}


@dataclass(frozen=True, slots=True)
class Template:
    """One template: its name, such as `smtp.send`, its version, which every change raises, and the JSON.

    Templates with a prefix are in separate files next to those without.
    """

    name: str
    version: int
    content: dict[str, Any]
    prefix: str = ""

    @property
    def file_name(self) -> str:
        """The name of its file, without version and ending."""
        return _joined(self.prefix, self.name).replace(".", "-")


def make_templates(*, prefix: str = "", documentation: str = DOCUMENTATION) -> list[Template]:
    """Return all templates; with a prefix, `<prefix>.email.smtp.send` is the job type of sending.

    `documentation`: the address of a page, with `{page}` in the place of its name.
    """
    made = [_email(prefix), *(_single(operation, prefix) for operation in CATALOGUE)]
    return [_with_page(template, documentation) for template in made]


def _with_page(template: Template, documentation: str) -> Template:
    page = f"operations/{template.name.replace('.', '-') if '.' in template.name else 'index'}"
    reference = {"documentationRef": documentation.replace("{page}", page)}
    return replace(template, content={**template.content, **reference})


def _single(operation: Operation, prefix: str) -> Template:
    wording = WORDINGS[operation.task_type]
    _, protocol, name = operation.task_type.split(".")
    keywords = (name, protocol, "email", "e-mail", *wording.keywords)
    task_type = _constant("taskType", _TASK_TYPE, _joined(prefix, operation.task_type))
    properties = [task_type, *_properties(operation)]
    return _template(f"{protocol}.{name}", operation.title, wording.description, keywords, properties, prefix)


def _email(prefix: str) -> Template:
    words = [word for wording in WORDINGS.values() for word in wording.keywords]
    description = "Sends, lists, reads, searches, moves, flags and deletes email."
    keywords = ("e-mail", "smtp", "imap", "pop3", *words)
    properties = [*_choices(prefix), *_merged(prefix)]
    return _template("email", "Email", description, keywords, properties, prefix)


def _template(
    name: str,
    title: str,
    description: str,
    keywords: Sequence[str],
    properties: Sequence[Property],
    prefix: str,
) -> Template:
    template_id = _joined(prefix, f"{ID_PREFIX}.{name}")
    version = VERSIONS[name]
    constants = [
        _constant(key, Binding("zeebe:taskHeader", "key", key), value)
        for key, value in (("elementTemplateId", template_id), ("elementTemplateVersion", str(version)))
    ]
    shown = {made.group for made in properties if made.kind != "Hidden"}
    content = {
        "$schema": SCHEMA,
        "name": f"{title} ({prefix})" if prefix else title,
        "id": template_id,
        "version": version,
        "description": description,
        "keywords": list(dict.fromkeys(keywords)),
        "documentationRef": "",
        "engines": {"camunda": ENGINES},
        "category": {"id": ID_PREFIX, "name": "Email"},
        "appliesTo": ["bpmn:Task"],
        "elementType": {"value": "bpmn:ServiceTask"},
        "groups": [
            {"id": group, "label": label, "openByDefault": group in OPEN_GROUPS}
            for group, label in GROUPS
            if group in shown
        ],
        "properties": [made.to_json() for made in (*properties, *constants)],
        "icon": {"contents": icon(name.rsplit(".", 1)[-1])},
    }
    return Template(name, version, content, prefix)


def _properties(operation: Operation) -> list[Property]:
    return [*input_properties(operation), *job_properties(operation)]


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _constant(name: str, binding: Binding, value: str) -> Property:
    return Property(id=name, group="operation", binding=binding, kind="Hidden", value=value)


def _choices(prefix: str) -> Iterator[Property]:
    """Yield the protocol, and for each of them the operations that it has: these set the job type."""
    yield Property(
        id="protocol",
        group="operation",
        # Stored in the diagram only: Camunda passes it to nobody.
        binding=Binding("zeebe:property", "name", "protocol"),
        kind="Dropdown",
        label="Protocol",
        description="SMTP sends, IMAP and POP3 look into a mailbox. IMAP does more if your server has both.",
        value="smtp",
        choices=tuple(_PROTOCOLS.items()),
    )
    for protocol in _PROTOCOLS:
        task_types = [row.task_type for row in CATALOGUE if row.protocol.value == protocol]
        yield Property(
            id=f"{protocol}.operation",
            group="operation",
            binding=_TASK_TYPE,
            kind="Dropdown",
            label="Operation",
            description="What the task does.",
            value=_joined(prefix, task_types[0]),
            choices=tuple((_joined(prefix, each), WORDINGS[each].choice) for each in task_types),
            conditions=(Condition("protocol", (protocol,)),),
        )


def _merged(prefix: str) -> list[Property]:
    """Return the properties of all operations, each once, there while an operation that has it is chosen."""
    holders: dict[Property, list[Operation]] = {}
    for operation in CATALOGUE:
        for made in _properties(operation):
            holders.setdefault(made, []).append(operation)
    parts = [part for made, rows in holders.items() for part in _while_chosen(made, rows, prefix)]
    return _with_ids_of_their_own(sorted(parts, key=_place))


def _while_chosen(made: Property, rows: Sequence[Operation], prefix: str) -> Iterator[Property]:
    """Yield the property for each protocol of these operations, there while one of them is chosen."""
    if len(rows) == len(CATALOGUE):
        yield made
        return
    for protocol in _PROTOCOLS:
        chosen = [row.task_type for row in rows if row.protocol.value == protocol]
        if len(chosen) == sum(row.protocol.value == protocol for row in CATALOGUE):
            yield made.only_while(Condition("protocol", (protocol,)))
        elif chosen:
            task_types = tuple(_joined(prefix, each) for each in chosen)
            yield made.only_while(Condition(f"{protocol}.operation", task_types))


def _place(made: Property) -> tuple[int, int]:
    """Sort by the order of the properties panel; other properties keep their order."""
    path = made.binding.value
    return [group for group, _ in GROUPS].index(made.group), [
        *LOOKS,
        "resultVariable",
        "resultExpression",
        path,
    ].index(path)


def _with_ids_of_their_own(properties: Sequence[Property]) -> list[Property]:
    seen: Counter[str] = Counter()
    named = []
    for made in properties:
        seen[made.id] += 1
        named.append(made if seen[made.id] == 1 else replace(made, id=f"{made.id}.{seen[made.id]}"))
    return named
