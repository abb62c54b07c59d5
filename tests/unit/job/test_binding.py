from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from worker.errors import EmailError, InputError, SecretNotFound
from worker.job.binding import bind
from worker.masking import Mask, masking
from worker.models.authentication import Authentication, OptionalAuthentication
from worker.models.base import Request, Server
from worker.models.email import SortField
from worker.secret_store import SecretStore

FIELDS = ("authentication.*", "server.*")
GIVEN: dict[str, Any] = {
    "authentication": {"username": "alice", "password": "hunter2"},
    "server": {"host": "mail.example.com"},
    "parameters": {"to": "bob@example.com"},
}


class Inner(Request):
    name: str = "x"
    max_size: int | None = None


class Parameters(Request):
    to: str | list[str]
    html_body: str | None = None
    max_to_be_read: int = Field(default=100, ge=1, le=500)
    sort_field: SortField = SortField.SIZE
    filter: Inner | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    is_urgent: bool = False


class Letter(Request):
    authentication: Authentication
    server: Server
    parameters: Parameters


class Relayed(Letter):
    authentication: OptionalAuthentication  # type: ignore[assignment]


def given(**groups: Any) -> dict[str, Any]:
    """The usual variables; a dict adds to its group, anything else takes its place."""
    merged = dict(GIVEN)
    for name, fields in groups.items():
        merged[name] = {**GIVEN[name], **fields} if isinstance(fields, dict) else fields
    return merged


def bound(
    variables: dict[str, Any],
    model: type[Letter] = Letter,
    environment: dict[str, str] | None = None,
    fields: tuple[str, ...] = FIELDS,
) -> Letter:
    secrets = SecretStore(environment or {}, prefix="SECRET_", directory=None)
    mask = Mask(secrets.mask)
    with masking(mask):
        return bind(model, variables, secrets=secrets, mask=mask, secret_fields=fields)


def revealed(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


def refusal(variables: dict[str, Any], model: type[Letter] = Letter, **how: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        bound(variables, model, **how)
    return caught.value


def test_the_three_variables_become_the_request() -> None:
    request = bound(given(server={"port": "587"}, parameters={"htmlBody": "<p>", "maxToBeRead": 25.0}))
    assert revealed(request.authentication.password) == "hunter2"
    assert (request.server.host, request.server.port) == ("mail.example.com", 587)
    assert (request.parameters.html_body, request.parameters.max_to_be_read) == ("<p>", 25)


def test_other_variables_of_the_process_do_not_matter() -> None:
    others = {"host": 1, "Authentication": "x", "parameter": {}, "a": "{{secrets.NONE}}", "subject": None}
    assert bound({**others, **GIVEN}) == bound(GIVEN)


@pytest.mark.parametrize("blank", [None, "", " \t\n"])
def test_a_blank_field_counts_as_not_given(blank: str | None) -> None:
    blanks = {"htmlBody": blank, "maxToBeRead": blank, "sortField": blank, "filter": blank, "headers": blank}
    request = bound(given(server={"port": blank, "cryptographicProtocol": blank}, parameters=blanks))
    assert request == bound(GIVEN)


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ({"parameters": {"to": None}}, "parameters.to is null: its expression gave nothing."),
        ({"parameters": {"to": "  "}}, "parameters.to is required."),
        ({"server": {"host": None}}, "server.host is null: its expression gave nothing."),
        ({"authentication": {"password": ""}}, "authentication.password is required."),
        ({"authentication": None}, "authentication is null: its expression gave nothing."),
        ({"server": None}, "server is null: its expression gave nothing."),
        ({"parameters": None}, "parameters is null: its expression gave nothing."),
        ({"authentication": ""}, "authentication is required."),
        (
            {"authentication": "hunter2"},
            "authentication must be a context (an object with named fields).",
        ),
        (
            {"server": "mail.example.com"},
            "server must be a context (an object with named fields); found 'mail.example.com'.",
        ),
        ({"parameters": [1]}, "parameters must be a context (an object with named fields); found [1]."),
        ({"server": {"port": "smtp"}}, "server.port must be a whole number; found 'smtp'."),
        ({"server": {"port": 587.5}}, "server.port must be a whole number; found 587.5."),
        ({"server": {"port": "587.5"}}, "server.port must be a whole number; found '587.5'."),
        ({"server": {"port": True}}, "server.port must be a number from 1 to 65535; found true."),
        ({"server": {"port": [587]}}, "server.port must be a whole number; found [587]."),
        ({"server": {"port": 0}}, "server.port must be at least 1; found 0."),
        ({"server": {"port": "70000"}}, "server.port must be at most 65535; found '70000'."),
        (
            {"server": {"port": "9" * 5_000}},
            f"server.port must be a whole number; found '{'9' * 78}….",
        ),
        (
            {"server": {"host": "a b"}},
            "server.host must be a host name or an IP address alone, such as mail.example.com; found 'a b'.",
        ),
        (
            {"server": {"cryptographicProtocol": "tls"}},
            "server.cryptographicProtocol must be 'TLS', 'SSL' or 'NONE'; found 'tls'.",
        ),
        (
            {"server": {"host": "a:25"}},
            "server.host must be a host name or an IP address alone, such as mail.example.com; found 'a:25'.",
        ),
        ({"server": {"host": True}}, "server.host must be text; found true."),
        (
            {"authentication": {"type": "noAuth"}},
            (
                "authentication.type must be 'simple', 'bearer', 'oauth-client-credentials-flow',"
                " 'oauth-refresh-token-flow' or 'oauth-jwt-bearer-flow'."
            ),
        ),
        ({"authentication": {"password": True}}, "authentication.password must be text."),
        (
            {"authentication": {"password": "two\nlines"}},
            "authentication.password must not contain a line break or NUL.",
        ),
        ({"parameters": {"maxToBeRead": 501}}, "parameters.maxToBeRead must be at most 500; found 501."),
        ({"parameters": {"isUrgent": "often"}}, "parameters.isUrgent must be true or false; found 'often'."),
        (
            {"parameters": {"sortField": "DATE"}},
            "parameters.sortField must be 'RECEIVED_DATE', 'SENT_DATE' or 'SIZE'; found 'DATE'.",
        ),
        (
            {"parameters": {"filter": "x"}},
            "parameters.filter must be a context (an object with named fields); found 'x'.",
        ),
        (
            {"parameters": {"filter": {"maxSize": "x"}}},
            "parameters.filter.maxSize must be a whole number; found 'x'.",
        ),
        ({"parameters": {"headers": {"X-A": 5}}}, "parameters.headers.X-A must be text; found 5."),
    ],
)
def test_bad_input_is_one_plain_sentence_with_the_path(groups: dict[str, Any], sentence: str) -> None:
    error = refusal(given(**groups))
    assert error.message == sentence
    assert error.details == {"field": sentence.split(maxsplit=1)[0]}
    assert (error.code, error.is_retryable) == ("INVALID_INPUT", False)


@pytest.mark.parametrize(
    ("group", "name", "right"),
    [
        ("parameters", "too", "parameters.to"),
        ("parameters", "To", "parameters.to"),
        ("parameters", "html_body", "parameters.htmlBody"),
        ("parameters", "htmlbody", "parameters.htmlBody"),
        ("parameters", "sortfeild", "parameters.sortField"),
        ("server", "hots", "server.host"),
        ("server", "cryptographicProtokoll", "server.cryptographicProtocol"),
        ("authentication", "user", "authentication.username"),
        # In the wrong group: the right one has a field of exactly that name.
        ("parameters", "host", "server.host"),
        ("parameters", "password", "authentication.password"),
        ("server", "username", "authentication.username"),
        ("authentication", "to", "parameters.to"),
        ("server", "maxToBeRead", "parameters.maxToBeRead"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_right_one(group: str, name: str, right: str) -> None:
    error = refusal(given(**{group: {name: "x"}}))
    assert error.message == f"{group}.{name} is not a field of this operation; did you mean {right}?"


def test_where_nothing_is_near_the_fields_that_there_are_are_named() -> None:
    error = refusal(given(server={"xyzzy": "x"}))
    assert error.message == (
        "server.xyzzy is not a field of this operation; server has host, port, cryptographicProtocol."
    )


def test_an_unknown_field_inside_a_context_is_refused_there() -> None:
    error = refusal(given(parameters={"filter": {"maxsize": 5}}))
    assert error.message == (
        "parameters.filter.maxsize is not a field of this operation; did you mean parameters.filter.maxSize?"
    )


def test_all_faults_are_reported_together() -> None:
    error = refusal(given(server={"cryptographicProtocol": "TSL"}, parameters={"maxToBeRead": 0, "tto": "x"}))
    assert error.message == (
        "parameters.tto is not a field of this operation; did you mean parameters.to?"
        " server.cryptographicProtocol must be 'TLS', 'SSL' or 'NONE'; found 'TSL'."
        " parameters.maxToBeRead must be at least 1; found 0."
    )
    fields = ["parameters.tto", "server.cryptographicProtocol", "parameters.maxToBeRead"]
    assert error.details == {"field": fields[0], "fields": fields}


def test_of_very_many_faults_the_first_are_reported() -> None:
    error = refusal(given(parameters={f"x{number}": 1 for number in range(30)}))
    assert error.message.endswith("There are 20 more faults.")
    assert len(error.message) < 2_000


def test_a_section_that_is_missing_is_named_and_so_is_a_misspelt_one() -> None:
    variables = given()
    parameters = variables.pop("parameters")
    assert refusal(variables).message == "parameters is missing."
    assert refusal({**variables, "parametres": parameters}).message == (
        "parameters is missing, but there is parametres; did you mean parameters?"
    )


def test_a_misspelt_field_is_named_before_the_required_one_that_it_hides() -> None:
    variables = given(parameters=[])
    variables["parameters"] = {"tto": "bob@example.com"}
    assert "parameters.tto is not a field" in refusal(variables).message


def test_an_unknown_field_that_is_blank_is_not_given() -> None:
    assert bound(given(parameters={"whatever": None})) == bound(GIVEN)


def test_a_server_without_sign_in_needs_no_password() -> None:
    assert bound(given(authentication={"type": "noAuth", "username": None, "password": None}), Relayed)


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_sign_in_that_is_only_half_there_is_one_plain_sentence(missing: str) -> None:
    error = refusal(given(authentication={missing: None}), Relayed)
    assert error.message == f"authentication.{missing} is null: its expression gave nothing."


@pytest.mark.parametrize(
    "fields",
    [
        {"password": ["hunter2"]},
        {"password": {"a": "hunter2"}},
        {"password": "hunter2\0"},
        {"passwort": "hunter2"},
        {"username": True, "password": "hunter2"},
        {"type": "hunter2"},
    ],
)
@pytest.mark.parametrize("model", [Letter, Relayed])
def test_the_values_of_the_sign_in_are_never_shown(fields: dict[str, Any], model: type[Letter]) -> None:
    assert "hunter2" not in refusal(given(authentication=fields), model).message


def test_secrets_are_resolved_where_the_patterns_allow() -> None:
    request = bound(
        given(
            authentication={"username": "{{secrets.USER}}@x", "password": "{{ secrets.PASSWORD }}"},
            server={"host": "{{secrets.HOST}}", "port": "{{secrets.PORT}}"},
        ),
        environment={
            "SECRET_USER": "u",
            "SECRET_PASSWORD": "{{secrets.USER}}",
            "SECRET_HOST": "h",
            "SECRET_PORT": "25",
        },
    )
    assert revealed(request.authentication.username) == "u@x"
    assert revealed(request.authentication.password) == "{{secrets.USER}}"
    assert (request.server.host, request.server.port) == ("h", 25)


@pytest.mark.parametrize(
    "parameters",
    [
        {"to": "{{secrets.A}}"},
        {"to": ["{{secrets.A}}"]},
        {"headers": {"X": "{{secrets.A}}"}},
        {"filter": {"name": "{{secrets.A}}"}},
    ],
)
def test_secrets_are_not_resolved_elsewhere_not_even_missing_ones(parameters: dict[str, Any]) -> None:
    request = bound(given(parameters=parameters), environment={"SECRET_A": "pulled"})
    assert "pulled" not in request.model_dump_json()
    assert "{{secrets.A}}" in request.model_dump_json()
    assert bound(given(parameters=parameters)) == request


def test_a_field_name_with_dots_does_not_smuggle_a_secret_in() -> None:
    variables = given(parameters={"headers": {"authentication.password": "{{secrets.A}}"}})
    request = bound(variables, environment={"SECRET_A": "pulled"})
    assert request.parameters.headers == {"authentication.password": "{{secrets.A}}"}


@pytest.mark.parametrize(
    ("patterns", "is_put_in"),
    [
        (("parameters.to",), True),
        (("parameters.*",), True),
        (("*",), True),
        (("parameters.t?",), True),
        (("parameters.TO",), False),
        (("parameters",), False),
        ((), False),
    ],
)
def test_the_operator_may_widen_the_fields(patterns: tuple[str, ...], is_put_in: bool) -> None:
    variables = given(parameters={"to": ["{{secrets.A}}"]})
    request = bound(variables, environment={"SECRET_A": "value"}, fields=patterns)
    assert (request.parameters.to == ["value"]) is is_put_in


@pytest.mark.parametrize(
    "text",
    [
        *("{{secret.PW}}", "{{ SECRETS.PW }}", "{{secret:PW}}", "{{SECRET_PW}}", "{{PW}}", "{secrets.PW}"),
        *("secrets.PW", "${PW}", "${secrets.PW}", "${{ secret.PW }}", "{{secrets.PW", "{{secrets.PW}"),
        *("#{PW}", "$(PW)", "=secrets.PW", "[[secrets.PW]]", "camunda.secrets.PW", "{{secrets/PW}}"),
    ],
)
def test_what_is_nearly_a_placeholder_is_refused_with_the_right_form(text: str) -> None:
    message = refusal(given(authentication={"password": text})).message
    assert message == "authentication.password looks like a secret but is none; write {{secrets.PW}}."


@pytest.mark.parametrize(
    "groups",
    [
        {"authentication": {"username": "${hunter2}"}},
        {"authentication": {"username": "{{secrets.hunter2}}"}},
        {"parameters": {"hunter2": "x"}},
        {"parameters": {"hunter2": [None] * 100_001}},
    ],
)
def test_a_password_is_masked_also_where_something_else_has_the_same_name(groups: dict[str, Any]) -> None:
    secrets, mask = SecretStore({}, prefix="SECRET_", directory=None), Mask()
    with pytest.raises(EmailError) as caught, masking(mask):
        bind(Letter, given(**groups), secrets=secrets, mask=mask, secret_fields=FIELDS)
    assert "hunter2" not in mask.hide(caught.value.message)


@pytest.mark.parametrize(
    "text", ["$PW", "{a}", "secretsPW", "{{a b}}", "secret:PW", "{{{", "a{{secret.PW}}b"]
)
def test_a_password_may_have_braces(text: str) -> None:
    request = bound(given(authentication={"password": text}))
    password = request.authentication.password
    assert password is not None
    assert password.get_secret_value() == text


def test_blanks_around_a_placeholder_are_not_a_part_of_the_secret() -> None:
    variables = given(
        authentication={"username": "a {{secrets.A}} b", "password": "\ufeff {{secrets.A}}\n\u200b"}
    )
    request = bound(variables, environment={"SECRET_A": "value"})
    assert request.authentication.username is not None
    assert request.authentication.username.get_secret_value() == "a value b"
    assert request.authentication.password is not None
    assert request.authentication.password.get_secret_value() == "value"


def test_a_secret_that_is_missing_is_named() -> None:
    with pytest.raises(SecretNotFound, match="The secret NONE is not known"):
        bound(given(authentication={"password": "{{secrets.NONE}}"}))


def test_the_job_that_binding_read_is_left_as_it_was() -> None:
    variables = given(server={"host": "{{secrets.HOST}}"})
    bound(variables, environment={"SECRET_HOST": "h"})
    assert variables["server"]["host"] == "{{secrets.HOST}}"


@pytest.mark.parametrize("length", [6, 59, 60, 61, 500])
def test_a_resolved_secret_is_not_shown_not_even_cut(length: int) -> None:
    secret = "s3cr3t" * (length // 6 + 1)
    variables = given(server={"port": "a {{secrets.A}} b"})
    message = refusal(variables, environment={"SECRET_A": secret}).message
    assert "s3cr3t" not in message
    assert message == "server.port must be a whole number."


def test_a_password_from_the_diagram_is_masked_like_a_secret() -> None:
    secrets = SecretStore({}, prefix="SECRET_", directory=None)
    mask = Mask(secrets.mask)
    bind(Letter, GIVEN, secrets=secrets, mask=mask, secret_fields=FIELDS)
    assert mask.hide("535 hunter2 AGFsaWNlAGh1bnRlcjI=") == "535 *** ***"
    assert mask.hide("alice") == "alice"
    assert secrets.mask.hide("hunter2") == "hunter2"


def test_any_model_with_the_three_groups_will_do() -> None:
    class Loose(BaseModel):
        server: Server

    secrets = SecretStore({}, prefix="SECRET_", directory=None)
    assert (
        bind(Loose, GIVEN, secrets=secrets, mask=Mask(), secret_fields=()).server.host == "mail.example.com"
    )


def test_variables_with_too_many_levels_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(InputError, match=r"parameters\.to is nested more than 200 levels deep"):
        bound(given(parameters={"to": deep}))
