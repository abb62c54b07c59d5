from __future__ import annotations

import pytest

from worker.errors import InputError
from worker.job.expressions import RESPONSE_FIELDS
from worker.job.headers import ConnectorHeaders
from worker.operations.catalogue import BY_TASK_TYPE


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"resultVariable": "mail"}, "mail"),
        ({"resultVariable": " mail "}, "mail"),
        ({"resultVariable": "  "}, None),
        ({"elementTemplateId": "x", "other": "y"}, None),
    ],
)
def test_the_result_variable_is_what_the_header_names(headers: dict[str, str], expected: str | None) -> None:
    assert ConnectorHeaders.of(headers).result_variable == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT30S", 30.0), ("P1DT2H", 93_600.0), ("PT0.5S", 0.5), ("pt5m", 300.0), ("P1W", 604_800.0)],
)
def test_durations_are_iso_8601(text: str, seconds: float) -> None:
    headers = ConnectorHeaders.of({"retryBackoff": text, "jobTimeout": text})
    assert headers.retry_backoff_seconds == seconds
    assert headers.job_timeout_seconds == seconds


@pytest.mark.parametrize(
    "text", ["30", "30 s", "PT", "P", "-PT3S", "P1M", "P1Y", "00:00:30", "P99999999999D"]
)
@pytest.mark.parametrize("header", ["retryBackoff", "jobTimeout"])
def test_an_invalid_duration_is_refused_by_name(header: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        ConnectorHeaders.of({header: text})
    assert caught.value.message == (
        f"The header {header} must be an ISO 8601 duration such as PT30S or PT5M; found {text!r}."
    )


def test_no_pause_is_a_pause_but_no_time_is_no_timeout() -> None:
    assert ConnectorHeaders.of({"retryBackoff": "PT0S"}).retry_backoff_seconds == 0.0
    with pytest.raises(InputError, match="jobTimeout must be greater than zero"):
        ConnectorHeaders.of({"jobTimeout": "PT0S"})


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("resultVarible", "resultVariable"),
        ("ResultVariable", "resultVariable"),
        ("result_variable", "resultVariable"),
        ("resultVariable ", "resultVariable"),
        ("resultExpresion", "resultExpression"),
        ("errorExpressions", "errorExpression"),
        ("retryBackOff", "retryBackoff"),
        ("jobTimout", "jobTimeout"),
    ],
)
def test_a_misspelt_header_is_refused_with_the_right_name(name: str, known: str) -> None:
    with pytest.raises(InputError) as caught:
        ConnectorHeaders.of({name: "x"})
    assert caught.value.message == f"The header {name} is not known; did you mean {known}?"


@pytest.mark.parametrize(
    "name", ["elementTemplateId", "timeout", "retries", "errorCode", "result", "日本", ""]
)
def test_other_headers_are_nobodys_business(name: str) -> None:
    assert ConnectorHeaders.of({name: "x"}) == ConnectorHeaders()


@pytest.mark.parametrize("header", ["resultExpression", "errorExpression"])
def test_a_misspelt_function_is_refused_with_its_place(header: str) -> None:
    expression = '=if not(response.sent) then\n  bpmError("not-sent") else null'
    with pytest.raises(InputError) as caught:
        ConnectorHeaders.of({header: expression})
    assert caught.value.message.startswith(
        f"The header {header} has a mistake: line 2, column 3: There is no function 'bpmError';"
        " did you mean bpmnError(errorCode) or"
    )
    assert (caught.value.details["line"], caught.value.details["column"]) == (2, 3)


@pytest.mark.parametrize("name", ["errors", "responses", "jobs"])
def test_a_variable_of_the_result_may_be_spelled_like_one_of_the_worker(name: str) -> None:
    check = f"=if {name} = 1 then ignoreError() else null"
    ConnectorHeaders.of({"resultVariable": name, "errorExpression": check})
    ConnectorHeaders.of({"resultExpression": f"={{{name}: 1}}", "errorExpression": check})
    with pytest.raises(InputError, match=f"no variable '{name}'"):
        ConnectorHeaders.of({"errorExpression": check})


@pytest.mark.parametrize("header", ["resultExpression", "errorExpression"])
@pytest.mark.parametrize(
    ("entry", "known"),
    [("send", "sent"), ("messageID", "messageId"), ("refusedRecipient", "refusedRecipients")],
)
def test_a_misspelt_entry_of_the_response_is_refused(header: str, entry: str, known: str) -> None:
    with pytest.raises(InputError, match=f"did you mean response.{known}?"):
        ConnectorHeaders.of({header: f"={{x: response.{entry}}}"})


@pytest.mark.parametrize("header", ["resultExpression", "errorExpression"])
@pytest.mark.parametrize(("name", "known"), [("sentt", "sent"), ("mesageId", "messageId")])
def test_a_misspelt_entry_of_the_result_by_its_own_name_is_refused(
    header: str, name: str, known: str
) -> None:
    with pytest.raises(InputError, match=f"no variable '{name}'; did you mean {known}?"):
        ConnectorHeaders.of({header: f'=if not({name}) then bpmnError("not-sent") else null'})
    assert ConnectorHeaders.of({"resultExpression": f"={{{name}: 1, x: {name}}}"}).result_expression


@pytest.mark.parametrize("entry", ["sent", "subject", "hasAttachments", "specialUse", "order", "code"])
def test_an_entry_that_is_there_or_is_like_none_is_taken(entry: str) -> None:
    assert ConnectorHeaders.of({"resultExpression": f"={{x: response.{entry}}}"}).result_expression


@pytest.mark.parametrize(
    "condition",
    [
        "response.body.sent = false",
        "response.status = 550",
        'response.sent = "false"',
        'response["sent"] = false',
    ],
)
def test_an_error_expression_that_can_never_see_an_error_is_refused(condition: str) -> None:
    """It would give null, and the process would go on as if the email had been sent."""
    with pytest.raises(InputError, match="errorExpression has a mistake"):
        ConnectorHeaders.of({"errorExpression": f'=if {condition} then bpmnError("not-sent") else null'})


def test_a_decision_in_the_result_expression_is_refused() -> None:
    """It would give variables, and the process would go on."""
    with pytest.raises(InputError, match=r"resultExpression.*only in an error expression"):
        ConnectorHeaders.of(
            {"resultExpression": '=if response.sent then {ok: true} else bpmnError("not-sent")'}
        )


def test_the_response_is_the_result_whatever_the_result_expression_gives() -> None:
    headers = {
        "resultExpression": "={response: response.sent, status: 1}",
        "errorExpression": "=if response.status = 1 then null else {}",
    }
    with pytest.raises(InputError, match="'response' has no entry 'status'; check its name"):
        ConnectorHeaders.of(headers)


def test_a_result_variable_is_no_expression() -> None:
    with pytest.raises(InputError, match="resultVariable must be a name without =; found '=mail'"):
        ConnectorHeaders.of({"resultVariable": "=mail"})


def test_expressions_know_the_fields_of_the_results_of_all_operations() -> None:
    results = {operation.result for operation in BY_TASK_TYPE.values()}
    assert {
        str(field.alias) for result in results for field in result.model_fields.values()
    } == RESPONSE_FIELDS
