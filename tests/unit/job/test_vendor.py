"""What the vendor's template writes, in the shapes of its versions, and what its diagrams get back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import EmailError, InputError, SecretNotFound
from worker.job.assignment import Assignment
from worker.job.binding import bind
from worker.job.vendor import interpret
from worker.mail.account import Account, Encryption, account_of
from worker.masking import Mask
from worker.operations.catalogue import BY_TASK_TYPE, Operation
from worker.secret_store import SecretStore

SIGN_IN = {"type": "simple", "username": "ann", "password": "hunter2"}
MAIL: dict[str, Any] = {
    "from": "ann@example.com",
    "to": "bob@example.com",
    "subject": "Hello",
    "body": "Hello Bob",
}
DISCRIMINATORS = {
    "smtp": {"sendEmailSmtp": "email.smtp.send"},
    "imap": {
        "listEmailsImap": "email.imap.list",
        "readEmailImap": "email.imap.read",
        "deleteEmailImap": "email.imap.delete",
        "searchEmailsImap": "email.imap.search",
        "moveEmailImap": "email.imap.move",
    },
    "pop3": {
        "listEmailsPop3": "email.pop3.list",
        "readEmailPop3": "email.pop3.read",
        "deleteEmailPop3": "email.pop3.delete",
        "searchEmailsPop3": "email.pop3.search",
    },
}


def vendor_variables(
    protocol: str, discriminator: str, *, config: dict[str, Any] | None = None, **action: Any
) -> dict[str, Any]:
    usual = {
        f"{protocol}Host": "mail.example.com",
        f"{protocol}Port": "2525",
        f"{protocol}CryptographicProtocol": "TLS",
    }
    return {
        "authentication": SIGN_IN,
        "protocol": protocol,
        "data": {
            f"{protocol}ActionDiscriminator": discriminator,
            f"{protocol}Action": action,
            f"{protocol}Config": usual if config is None else config,
        },
    }


def assignment_of(variables: dict[str, Any], *, stores_attachments: bool = False) -> Assignment:
    return interpret(variables, served=BY_TASK_TYPE, stores_attachments=stores_attachments)


def bound(variables: dict[str, Any], **secrets: str) -> Any:
    assignment = assignment_of(variables)
    environment = {f"SECRET_{name}": value for name, value in secrets.items()}
    return bind(
        assignment.operation.request,
        assignment.variables,
        secrets=SecretStore(environment, prefix="SECRET_", directory=None),
        mask=Mask(),
        secret_fields=("authentication.*", "server.*"),
        notation=assignment.notation,
    )


def parameters(protocol: str, discriminator: str, **action: Any) -> Any:
    return bound(vendor_variables(protocol, discriminator, **action)).parameters


def account(protocol: str, discriminator: str, config: dict[str, Any]) -> Account:
    action = MAIL if protocol == "smtp" else {}
    variables = vendor_variables(protocol, discriminator, config=config, **action)
    request, operation = bound(variables), assignment_of(variables).operation
    assert isinstance(operation, Operation)
    return account_of(operation.protocol, request.server, request.authentication)


def refusal(variables: dict[str, Any]) -> EmailError:
    with pytest.raises(InputError) as caught:
        bound(variables)
    return caught.value


@pytest.mark.parametrize(
    ("protocol", "discriminator", "task_type"),
    [(protocol, name, ours) for protocol, names in DISCRIMINATORS.items() for name, ours in names.items()],
)
def test_each_of_the_ten_discriminators_is_an_operation_of_the_worker(
    protocol: str, discriminator: str, task_type: str
) -> None:
    assert assignment_of(vendor_variables(protocol, discriminator)).operation.task_type == task_type


def test_a_mail_of_the_first_version_is_plain_text() -> None:
    mail = parameters("smtp", "sendEmailSmtp", **MAIL, cc=None, bcc=None)
    assert (mail.text, mail.html) == ("Hello Bob", None)
    assert [address.spec for address in mail.to] == ["bob@example.com"]


def test_lists_of_addresses_and_headers_arrive() -> None:
    given = {**MAIL, "to": ["bob@example.com", "eve@example.com"], "headers": {"X-Order": 7}}
    mail = parameters("smtp", "sendEmailSmtp", **given, contentType="PLAIN", attachments=None)
    assert [address.spec for address in mail.to] == ["bob@example.com", "eve@example.com"]
    assert mail.headers == {"X-Order": "7"}


@pytest.mark.parametrize(
    ("content_type", "text", "html"),
    [("PLAIN", "plain", None), ("HTML", None, "<p>"), ("MULTIPART", "plain", "<p>"), (None, "plain", None)],
)
def test_a_body_that_the_template_hides_is_not_sent(
    content_type: str | None, text: str | None, html: str | None
) -> None:
    given = {**MAIL, "contentType": content_type, "body": "plain", "htmlBody": "<p>"}
    mail = parameters("smtp", "sendEmailSmtp", **given)
    assert (mail.text, mail.html) == (text, html)


def test_internal_fields_of_the_template_do_not_matter() -> None:
    helpers: dict[str, Any] = {
        "data_smtpAction_attachments_documentMode": "none",
        "data_smtpAction_attachments_single_documentSource": "camunda",
    }
    variables = vendor_variables("smtp", "sendEmailSmtp", **MAIL, **helpers)
    variables["data"]["imapConfig"] = {"imapHost": None}
    variables["authentication"] = {**SIGN_IN, "remembered": True}
    assert bound(variables).parameters.subject == "Hello"


def test_numbers_may_be_texts() -> None:
    wanted = parameters("imap", "listEmailsImap", maxToBeRead="25", sortField="SIZE", sortOrder="DESC")
    assert (wanted.max_to_be_read, wanted.sort_field, wanted.sort_order) == (25, "SIZE", "DESC")


def test_texts_may_be_numbers() -> None:
    given = {**MAIL, "subject": 4711, "body": 12.5, "headers": {"X-Order": 7, "X-Is-New": True}}
    mail = parameters("smtp", "sendEmailSmtp", **given)
    assert (mail.subject, mail.body) == ("4711", "12.5")
    assert mail.headers == {"X-Order": "7", "X-Is-New": "true"}
    move = parameters("imap", "moveEmailImap", messageId="<1@x>", toFolder=2026)
    assert move.to_folder == "2026"


def test_missing_fields_of_a_list_have_the_vendors_defaults() -> None:
    imap = parameters("imap", "listEmailsImap", maxToBeRead=None, listEmailsFolder="")
    pop3 = parameters("pop3", "listEmailsPop3")
    assert (imap.folder, imap.max_to_be_read, imap.sort_field) == ("INBOX", 100, "RECEIVED_DATE")
    assert (pop3.max_to_be_read, pop3.sort_field, pop3.sort_order) == (100, "SENT_DATE", "ASC")


@pytest.mark.parametrize(
    ("discriminator", "field"),
    [
        ("listEmailsImap", "listEmailsFolder"),
        ("readEmailImap", "readEmailFolder"),
        ("deleteEmailImap", "deleteEmailFolder"),
        ("searchEmailsImap", "searchEmailFolder"),
    ],
)
def test_each_operation_has_a_separate_folder_field(discriminator: str, field: str) -> None:
    others = {"listEmailsFolder": "Other", "readEmailFolder": "Other", "fromFolder": "Other"}
    given = {**others, "messageId": "<1@example.com>", field: "Projects.2023"}
    assert parameters("imap", discriminator, **given).folder == "Projects.2023"


def test_a_move_starts_at_the_inbox_where_nothing_else_is_said() -> None:
    given = {"messageId": "1@example.com", "fromFolder": None, "toFolder": "Archive"}
    move = parameters("imap", "moveEmailImap", **given)
    assert (move.message_id, move.from_folder, move.to_folder) == ("1@example.com", "INBOX", "Archive")


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_criteria_are_a_context_or_its_json(protocol: str) -> None:
    discriminator = f"searchEmails{protocol.capitalize()}"
    context = parameters(protocol, discriminator, criteria={"field": "FROM", "value": "ann"})
    text = parameters(protocol, discriminator, criteria='{"field": "FROM", "value": "ann"}')
    assert context.criteria == text.criteria is not None
    assert parameters(protocol, discriminator, criteria=None).criteria is None


@pytest.mark.parametrize(
    ("protocol", "discriminator", "encryption", "expected"),
    [
        ("smtp", "sendEmailSmtp", "TLS", Encryption.STARTTLS),
        ("smtp", "sendEmailSmtp", "SSL", Encryption.IMPLICIT),
        ("smtp", "sendEmailSmtp", "NONE", Encryption.NONE),
        ("smtp", "sendEmailSmtp", None, Encryption.STARTTLS),
        ("imap", "listEmailsImap", "TLS", Encryption.IMPLICIT),
        ("imap", "listEmailsImap", "SSL", Encryption.IMPLICIT),
        ("imap", "listEmailsImap", "NONE", Encryption.NONE),
        ("pop3", "listEmailsPop3", "TLS", Encryption.IMPLICIT),
        ("pop3", "listEmailsPop3", None, Encryption.IMPLICIT),
    ],
)
@pytest.mark.parametrize("port", [2525, "143", "110", 25])
def test_the_encryption_is_the_vendors_at_any_port(
    protocol: str, discriminator: str, encryption: str | None, expected: Encryption, port: Any
) -> None:
    config = {
        f"{protocol}Host": "h.example.com",
        f"{protocol}Port": port,
        f"{protocol}CryptographicProtocol": encryption,
    }
    found = account(protocol, discriminator, config)
    assert (found.encryption, found.port) == (expected, int(port))


@pytest.mark.parametrize(
    ("protocol", "discriminator", "port"),
    [("smtp", "sendEmailSmtp", 587), ("imap", "listEmailsImap", 993), ("pop3", "listEmailsPop3", 995)],
)
@pytest.mark.parametrize("encryption", ["TLS", "SSL", "NONE"])
def test_without_a_port_it_is_the_templates(
    protocol: str, discriminator: str, port: int, encryption: str
) -> None:
    config = {f"{protocol}Host": "h.example.com", f"{protocol}CryptographicProtocol": encryption}
    assert account(protocol, discriminator, config).port == port


def test_a_relay_needs_no_sign_in() -> None:
    variables = vendor_variables("smtp", "sendEmailSmtp", **MAIL)
    variables["authentication"] = {"type": "noAuth", "username": None}
    assert bound(variables).authentication.username is None


def test_secrets_are_resolved_with_and_without_braces() -> None:
    config = {
        "imapHost": "secrets.HOST",
        "imapPort": "{{ secrets.PORT }}",
        "imapCryptographicProtocol": "TLS",
    }
    variables = vendor_variables("imap", "listEmailsImap", config=config)
    variables["authentication"] = {"username": "{{secrets.USER}}@example.com", "password": "secrets.PASS"}
    request = bound(variables, HOST="h.example.com", PORT="9993", USER="ann", PASS="secrets.USER")
    assert (request.server.host, request.server.port) == ("h.example.com", 9993)
    assert request.authentication.username.get_secret_value() == "ann@example.com"
    # What a secret holds is its value, whatever it looks like.
    assert request.authentication.password.get_secret_value() == "secrets.USER"


def test_a_mail_can_pull_out_no_secret() -> None:
    given = {**MAIL, "subject": "{{secrets.PASS}}", "body": "secrets.PASS"}
    mail = bound(vendor_variables("smtp", "sendEmailSmtp", **given), PASS="hunter2").parameters
    assert (mail.subject, mail.body) == ("{{secrets.PASS}}", "secrets.PASS")


def test_a_bare_secret_that_is_missing_is_named() -> None:
    variables = vendor_variables("imap", "listEmailsImap")
    variables["authentication"] = {**SIGN_IN, "password": "secrets.MAIL.PASSWORD"}
    with pytest.raises(SecretNotFound, match=r"The secret MAIL\.PASSWORD is not known"):
        bound(variables)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "protocol must be 'smtp' or 'imap' or 'pop3', and is not given."),
        ({"protocol": "nntp"}, "protocol must be 'smtp' or 'imap' or 'pop3'; found 'nntp'."),
        ({"protocol": "smtp"}, "data.smtpActionDiscriminator must be 'sendEmailSmtp', and is not given."),
        (
            {"protocol": "pop3", "data": {"pop3ActionDiscriminator": "moveEmailPop3"}},
            (
                "data.pop3ActionDiscriminator must be 'listEmailsPop3' or 'readEmailPop3' or"
                " 'deleteEmailPop3' or 'searchEmailsPop3'; found 'moveEmailPop3'."
            ),
        ),
        ({"protocol": "smtp", "data": "x"}, "data must be a context (an object with named fields)."),
        (
            {"protocol": "imap", "data": {"imapActionDiscriminator": ["listEmailsImap"]}},
            (
                "data.imapActionDiscriminator must be 'listEmailsImap' or 'readEmailImap' or"
                " 'deleteEmailImap' or 'searchEmailsImap' or 'moveEmailImap'; found [\"listEmailsImap\"]."
            ),
        ),
    ],
)
def test_an_unknown_operation_is_refused_with_the_known_ones(variables: dict[str, Any], message: str) -> None:
    error = refusal(variables)
    assert error.message == message
    assert error.details["field"] == message.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        (vendor_variables("smtp", "sendEmailSmtp", **{**MAIL, "to": "nobody"}), "data.smtpAction.to"),
        (vendor_variables("smtp", "sendEmailSmtp", **{**MAIL, "body": None}), "data.smtpAction"),
        (
            vendor_variables("smtp", "sendEmailSmtp", **{**MAIL, "contentType": "RICH"}),
            "data.smtpAction.contentType",
        ),
        (vendor_variables("imap", "readEmailImap"), "data.imapAction.messageId"),
        (
            vendor_variables("imap", "listEmailsImap", listEmailsFolder="a\nb"),
            "data.imapAction.listEmailsFolder",
        ),
        (vendor_variables("imap", "moveEmailImap", messageId="<1@x>"), "data.imapAction.toFolder"),
        (vendor_variables("pop3", "searchEmailsPop3", criteria="{"), "data.pop3Action.criteria"),
        (vendor_variables("pop3", "listEmailsPop3", maxToBeRead="many"), "data.pop3Action.maxToBeRead"),
        (vendor_variables("imap", "listEmailsImap", config={}), "data.imapConfig.imapHost"),
        (
            vendor_variables("pop3", "listEmailsPop3", config={"pop3Host": "h", "pop3Port": "x"}),
            "data.pop3Config.pop3Port",
        ),
        (
            vendor_variables(
                "imap", "listEmailsImap", config={"imapHost": "h", "imapCryptographicProtocol": "tls"}
            ),
            "data.imapConfig.imapCryptographicProtocol",
        ),
    ],
)
def test_an_error_names_the_field_that_stands_in_the_diagram(variables: dict[str, Any], field: str) -> None:
    error = refusal(variables)
    assert error.message.startswith(f"{field} ")
    assert error.details["field"] == field
    assert "parameters" not in error.message


def test_a_list_has_the_vendors_entries_and_no_others() -> None:
    ours = {"messageId": "<1@x>", "fromAddress": "a@x", "subject": "s", "size": 5, "sentDate": None}
    reshape = assignment_of(vendor_variables("imap", "listEmailsImap")).reshape
    assert reshape([ours]) == [{"messageId": "<1@x>", "fromAddress": "a@x", "subject": "s", "size": 5}]


def test_a_mail_that_was_read_always_has_attachments() -> None:
    reshape = assignment_of(vendor_variables("pop3", "readEmailPop3")).reshape
    assert reshape({"messageId": "<1@x>", "toAddresses": []}) == {"messageId": "<1@x>", "attachments": []}
    stored, listed = {"name": "a.pdf", "reference": {"documentId": "7"}}, {"name": "b.pdf"}
    assert reshape({"attachments": [stored, listed]}) == {"attachments": [{"documentId": "7"}]}


def test_attachments_are_stored_where_there_is_a_store() -> None:
    variables = vendor_variables("imap", "readEmailImap", messageId="<1@x>")
    stored = assignment_of(variables, stores_attachments=True).variables["parameters"]
    assert stored["storeAttachments"] is True
    assert assignment_of(variables).variables["parameters"]["storeAttachments"] is False


NAMES = sorted(
    {
        "type",
        "username",
        "to",
        "criteria",
        "messageId",
        *(f"{protocol}{end}" for protocol in DISCRIMINATORS for end in ("Action", "Config")),
        *(f"{protocol}ActionDiscriminator" for protocol in DISCRIMINATORS),
    }
)
TEXTS = st.sampled_from([*DISCRIMINATORS, *(name for names in DISCRIMINATORS.values() for name in names)])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=6)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={"protocol": TEXTS | ANYTHING, "data": ANYTHING, "authentication": ANYTHING}
    )
)
def test_any_variables_give_a_request_or_an_error_sentence(variables: dict[str, Any]) -> None:
    message = "A request."
    try:
        bound(variables)
    except InputError as error:
        message = error.message
    assert message.endswith(".")
    assert not message.startswith(("parameters", "server"))
