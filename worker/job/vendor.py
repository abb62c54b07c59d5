"""`io.camunda:email:1`: variables of Camunda's own email template, translated in both directions.

All shapes of its template's versions 1 to 6. Fields that the worker does not have are left out, as its own
runtime does.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from worker.errors import InputError
from worker.job.assignment import Assignment, Notation
from worker.models.expectation import number_as_text, shown
from worker.operations.catalogue import BY_TASK_TYPE

TASK_TYPE = "io.camunda:email:1"
GROUPS = ("authentication", "protocol", "data")

_DEFAULT_PORT = {"smtp": 587, "imap": 993, "pop3": 995}
_SIGN_IN_FIELDS = ("type", "username", "password")


@dataclass(frozen=True, slots=True)
class _Action:
    """One discriminator: its job type here, the vendor's field for each parameter, the result's entries."""

    task_type: str
    fields: Mapping[str, str]
    entries: tuple[str, ...]


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


# What a result has beyond the vendor's entries is there only where the vendor's own task would have failed.
_SENT = ("subject", "sent", "messageId", "refusedRecipients", "error")
_LISTED = ("messageId", "fromAddress", "subject", "size")
_READ = (*_LISTED, "headers", "plainTextBody", "htmlBody", "receivedDateTime", "attachments", "truncated")
_DELETED = ("deleted", "messageId")
_FOUND = ("messageId", "subject")
_MOVED = ("messageId", "from", "to")

_MAIL = _same(
    "from", "to", "cc", "bcc", "headers", "subject", "contentType", "body", "htmlBody", "attachments"
)
_ORDER = _same("maxToBeRead", "sortField", "sortOrder")
_ID = _same("messageId")
_CRITERIA = _same("criteria")
# Where an expression of the diagram may give a number that is meant as its text.
_TEXTS = frozenset(
    {"subject", "body", "htmlBody", "messageId", "folder", "fromFolder", "toFolder", "headers"}
)

_ACTIONS: dict[str, dict[str, _Action]] = {
    "smtp": {"sendEmailSmtp": _Action("email.smtp.send", _MAIL, _SENT)},
    "imap": {
        "listEmailsImap": _Action("email.imap.list", {**_ORDER, "folder": "listEmailsFolder"}, _LISTED),
        "readEmailImap": _Action("email.imap.read", {**_ID, "folder": "readEmailFolder"}, _READ),
        "deleteEmailImap": _Action("email.imap.delete", {**_ID, "folder": "deleteEmailFolder"}, _DELETED),
        "searchEmailsImap": _Action(
            "email.imap.search", {**_CRITERIA, "folder": "searchEmailFolder"}, _FOUND
        ),
        "moveEmailImap": _Action("email.imap.move", {**_ID, **_same("fromFolder", "toFolder")}, _MOVED),
    },
    "pop3": {
        "listEmailsPop3": _Action("email.pop3.list", _ORDER, _LISTED),
        "readEmailPop3": _Action("email.pop3.read", _ID, _READ),
        "deleteEmailPop3": _Action("email.pop3.delete", _ID, _DELETED),
        "searchEmailsPop3": _Action("email.pop3.search", _CRITERIA, _FOUND),
    },
}


def interpret(
    variables: Mapping[str, Any], *, served: Container[str], stores_attachments: bool
) -> Assignment:
    """Read a job's variables. `served`: the job types of the operations that this worker does.

    `stores_attachments`: whether reading stores attachments in the document store; if not, it returns none.
    Raises InputError that names the vendor's field, or an operation that is not served.
    """
    data = _context(variables, "data")
    protocol = _choose(variables, "protocol", _ACTIONS)
    actions = _ACTIONS[protocol]
    action = actions[_choose(data, f"data.{protocol}ActionDiscriminator", actions)]
    if action.task_type not in served:
        raise InputError(
            f"This worker does not serve {action.task_type}; ask its operator to add it to"
            " EMAIL_WORKER_OPERATIONS.",
            field="data",
        )
    given = _context(data, f"data.{protocol}Action")
    parameters = {
        ours: _as_text(given[theirs]) if ours in _TEXTS else given[theirs]
        for ours, theirs in action.fields.items()
        if theirs in given
    }
    if protocol == "smtp":
        parameters = _without_hidden_body(parameters)
    if "attachments" in action.entries:
        parameters["storeAttachments"] = stores_attachments
    sign_in = _context(variables, "authentication")
    return Assignment(
        operation=BY_TASK_TYPE[action.task_type],
        variables={
            "authentication": {name: sign_in[name] for name in _SIGN_IN_FIELDS if name in sign_in},
            "server": _server(protocol, _context(data, f"data.{protocol}Config")),
            "parameters": parameters,
        },
        notation=Notation(_field_names(protocol, action), has_bare_secrets=True),
        reshape=partial(_reshape, action.entries),
    )


def _context(parent: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the context at the end of `path`; one that is not given is empty."""
    value = parent.get(path.rpartition(".")[2])
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{path} must be a context (an object with named fields).", field=path)
    return value


def _choose(parent: Mapping[str, Any], path: str, known: Mapping[str, Any]) -> str:
    value = parent.get(path.rpartition(".")[2])
    if isinstance(value, str) and value in known:
        return value
    expected = f"{path} must be {' or '.join(map(repr, known))}"
    if value is None or value == "":
        raise InputError(f"{expected}, and is not given.", field=path)
    raise InputError(f"{expected}; found {shown(value)}.", field=path)


def _as_text(value: Any) -> Any:
    """Return a number or a boolean, or those in a context, as text."""
    if isinstance(value, Mapping):
        return {
            name: _as_text(item) if not isinstance(item, Mapping) else item for name, item in value.items()
        }
    if isinstance(value, bool):
        return json.dumps(value)
    return number_as_text(value)


def _without_hidden_body(mail: dict[str, Any]) -> dict[str, Any]:
    """Drop the body that the template hides for the content type, and may have left in the diagram."""
    content_type = mail.get("contentType") or "PLAIN"
    hidden = {"PLAIN": "htmlBody", "HTML": "body" if mail.get("htmlBody") else None}.get(content_type)
    return {name: value for name, value in mail.items() if name != hidden}


def _server(protocol: str, config: Mapping[str, Any]) -> dict[str, Any]:
    encryption = config.get(f"{protocol}CryptographicProtocol") or "TLS"
    if encryption == "TLS" and protocol != "smtp":
        # The vendor upgrades only SMTP connections; this worker would also upgrade at the clear-text ports
        # of IMAP and POP3.
        encryption = "SSL"
    port = config.get(f"{protocol}Port")
    host = f"{protocol}Host"
    return {
        **({"host": config[host]} if host in config else {}),
        "port": _DEFAULT_PORT[protocol] if port in (None, "") else port,
        "cryptographicProtocol": encryption,
    }


def _field_names(protocol: str, action: _Action) -> dict[str, str]:
    """Return the vendor's path for each of the worker's, groups included."""
    config = f"data.{protocol}Config"
    return {
        "server": config,
        "server.host": f"{config}.{protocol}Host",
        "server.port": f"{config}.{protocol}Port",
        "server.cryptographicProtocol": f"{config}.{protocol}CryptographicProtocol",
        "parameters": f"data.{protocol}Action",
        **{f"parameters.{ours}": f"data.{protocol}Action.{theirs}" for ours, theirs in action.fields.items()},
    }


def _reshape(entries: tuple[str, ...], result: Any) -> Any:
    if isinstance(result, list):
        return [_reshape(entries, item) for item in result]
    expected = {name: value for name, value in result.items() if name in entries}
    if "attachments" in entries:
        attachments = result.get("attachments", ())
        expected["attachments"] = [each["reference"] for each in attachments if "reference" in each]
    return expected
