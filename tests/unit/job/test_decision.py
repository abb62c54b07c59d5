from __future__ import annotations

from typing import Any

import pytest
from testkit.jobs import TASK_TYPE, make_job

from worker import errors
from worker.errors import (
    EmailError,
    ExpressionFailed,
    InputError,
    InternalError,
    ResultTooLarge,
    ServerTimeout,
    TokenEndpointUnavailable,
)
from worker.job.decision import (
    RetryRule,
    after_the_work,
    decide,
    decide_failure,
    incident_text,
    to_json,
)
from worker.job.headers import ConnectorHeaders
from worker.job.job import Job
from worker.job.outcome import BpmnError, Completed, Failed, Outcome
from worker.masking import Mask
from worker.models.base import Result
from worker.settings import Settings

RULE = RetryRule(10.0, jitter=0.5)


class Letter(Result):
    message_id: str


def decided(job: Job, result: Any, max_bytes: int = 10_000, mask: Mask | None = None) -> Outcome:
    headers = ConnectorHeaders.of(job.headers)
    return decide(job, headers, result, mask=mask or Mask(), max_bytes=max_bytes)


def failed(job: Job, error: Exception, mask: Mask | None = None, max_bytes: int = 10_000) -> Outcome:
    headers = ConnectorHeaders.of(job.headers)
    return decide_failure(job, headers, error, RULE, mask=mask or Mask(), max_bytes=max_bytes)


def usually_failed(job: Job, error: Exception, mask: Mask | None = None) -> Failed:
    outcome = failed(job, error, mask)
    assert isinstance(outcome, Failed)
    return outcome


def all_errors(base: type[EmailError] = EmailError) -> list[type[EmailError]]:
    return [error for child in base.__subclasses__() for error in (child, *all_errors(child))]


CONCRETE = [error for error in all_errors() if hasattr(error, "code")]


def test_a_result_or_a_list_of_them_becomes_json() -> None:
    assert to_json(Letter(message_id="<1@x>")) == {"messageId": "<1@x>"}
    assert to_json([Letter(message_id="<1@x>")]) == [{"messageId": "<1@x>"}]
    assert to_json([]) == []


def test_a_result_goes_where_the_header_says_and_nowhere_without_one() -> None:
    assert decided(make_job(), {"a": 1}, 100) == Completed({})
    job = make_job(headers={"resultVariable": "mail"})
    assert decided(job, {"a": 1}, 100) == Completed({"mail": {"a": 1}})


def test_a_result_of_just_the_limit_passes_and_one_byte_more_does_not() -> None:
    job = make_job(headers={"resultVariable": "r"})
    size = len('{"r": "xxxxx"}')
    assert decided(job, "xxxxx", size) == Completed({"r": "xxxxx"})
    with pytest.raises(ResultTooLarge) as caught:
        decided(job, "xxxxx", size - 1)
    assert caught.value.details == {"bytes": size, "limit": size - 1}
    assert f"{size} bytes" in caught.value.message


def test_the_size_is_that_of_what_is_sent_not_of_what_is_read() -> None:
    job = make_job(headers={"resultVariable": "r"})
    with pytest.raises(ResultTooLarge):
        decided(job, "€" * 20, 100)


def test_a_result_that_goes_nowhere_is_never_too_large() -> None:
    assert decided(make_job(), "x" * 1_000, 10) == Completed({})


@pytest.mark.parametrize("error", CONCRETE, ids=lambda error: error.__name__)
def test_each_error_says_its_code_and_is_retried_only_if_that_may_help(error: type[EmailError]) -> None:
    outcome = usually_failed(make_job(retries=3), error("Something."))
    assert outcome.message.startswith(f"{error.code} in {TASK_TYPE}: Something; ")
    assert outcome.code == error.code
    assert outcome.retries == (2 if error.is_retryable else 0)
    assert (outcome.backoff_seconds > 0) is error.is_retryable


def test_the_classes_of_errors_decide_which_failures_are_temporary() -> None:
    retried = {error.code for error in CONCRETE if error.is_retryable}
    assert retried == {
        "CONNECTION_FAILED",
        "DOCUMENTS_UNAVAILABLE",
        "TIMEOUT",
        "SERVER_UNAVAILABLE",
        "MAILBOX_BUSY",
        "PROTOCOL_ERROR",
        "RECIPIENT_REFUSED",
        "MESSAGE_REFUSED",
        "TOKEN_ENDPOINT_UNAVAILABLE",
    }
    assert not errors.SendOutcomeUnknown.is_retryable


@pytest.mark.parametrize(("retries", "left"), [(5, 4), (3, 2), (2, 1), (1, 0), (0, 0)])
def test_a_retry_costs_one_of_the_retries(retries: int, left: int) -> None:
    outcome = usually_failed(make_job(retries=retries), ServerTimeout("Slow."))
    assert outcome.retries == left


@pytest.mark.parametrize(
    ("retries", "jitter", "seconds"),
    [
        (10, 0.5, 10.0),
        (3, 0.5, 10.0),
        (2, 0.5, 160.0),
        (1, 0.5, 2_560.0),
        (3, 0.0, 8.0),
        (3, 1.0, 12.0),
        (0, 0.5, 3_600.0),
    ],
)
def test_the_pause_grows_with_each_attempt_and_is_spread(retries: int, jitter: float, seconds: float) -> None:
    assert RetryRule(10.0, jitter).backoff_seconds(retries) == pytest.approx(seconds)


def test_the_pause_grows_from_the_first_attempt_however_many_there_are() -> None:
    pauses = [RetryRule(10.0, 0.5, first_retries=6).backoff_seconds(retries) for retries in (6, 5, 4, 3)]
    assert pauses == pytest.approx([10.0, 160.0, 2_560.0, 3_600.0])
    assert RetryRule(10.0, 0.5, first_retries=1_000_000).backoff_seconds(1) == pytest.approx(3_600.0)


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_a_restart_of_five_minutes_is_over_before_the_last_of_three_attempts(jitter: float) -> None:
    rule = RetryRule(Settings.from_environment({"ZEEBE_ADDRESS": "h:1"}).worker.retry_backoff_seconds, jitter)
    assert rule.backoff_seconds(3) < 60
    assert rule.backoff_seconds(3) + rule.backoff_seconds(2) > 5 * 60


@pytest.mark.parametrize(
    "error",
    [ExpressionFailed("The header x fails; y."), ResultTooLarge("It is large; ask for less.")],
)
def test_a_result_that_cannot_be_used_is_said_to_be_of_work_that_is_done(error: EmailError) -> None:
    told = str(after_the_work(error))
    assert "is not repeated: cancel or migrate the instance" in told
    assert "ask for less" not in told


def test_an_incident_says_what_to_do_unless_its_sentence_does() -> None:
    job = make_job(type="email.imap.list")
    assert incident_text(job, ServerTimeout("h:993 did not answer within 30 seconds.")) == (
        "TIMEOUT in email.imap.list: h:993 did not answer within 30 seconds; check that the server is"
        " running, or raise the timeout if it is only slow."
    )
    assert incident_text(job, ServerTimeout("h:993 is slow; wait.")) == (
        "TIMEOUT in email.imap.list: h:993 is slow; wait."
    )


def test_a_long_incident_still_says_what_to_do() -> None:
    text = incident_text(make_job(), ServerTimeout("x" * 5_000))
    assert len(text) <= 2_000
    assert text.endswith("; check that the server is running, or raise the timeout if it is only slow.")


@pytest.mark.parametrize("function", ["jobError(body)", 'bpmnError("X", body)'])
def test_a_message_that_an_expression_makes_is_masked_and_cut_like_any_other(function: str) -> None:
    mask = Mask()
    mask.learn("hunter2")
    job = make_job(headers={"errorExpression": f"={function}"})
    outcome = decided(job, {"body": "hunter2" + "x" * 5_000}, mask=mask)
    assert isinstance(outcome, Failed | BpmnError)
    assert outcome.message == "***" + "x" * 1_997


def test_the_pause_has_an_end_and_may_be_none() -> None:
    assert RetryRule(86_400.0, 0.5).backoff_seconds(1) == pytest.approx(3_600.0)
    assert RetryRule(0.0, 0.9).backoff_seconds(1) == 0.0


@pytest.mark.parametrize("error", [KeyError("hunter2"), ValueError("hunter2"), TimeoutError("hunter2")])
def test_a_foreign_exception_becomes_an_internal_error_without_its_text(error: Exception) -> None:
    job = make_job(key=42)
    outcome = usually_failed(job, error)
    assert (outcome.code, outcome.retries) == (InternalError.code, 0)
    assert "hunter2" not in outcome.message
    assert type(error).__name__ in outcome.message
    assert "job key 42" in outcome.message


def test_a_long_message_is_cut_after_it_is_masked() -> None:
    error = ServerTimeout("x" * 1_986 + "hunter2" + "y" * 5_000)
    mask = Mask()
    mask.learn("hunter2")
    outcome = usually_failed(make_job(), error, mask)
    assert len(outcome.message) == 2_000
    assert "hunt" not in outcome.message


def test_outcomes_are_values() -> None:
    assert Failed("A", "m", 0) == Failed("A", "m", 0, 0.0, {})


RESULT = {"subject": "Hi", "sent": True, "response": "not this one", "refused": [{"code": 550}]}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"resultExpression": "={ok: response.sent, s: subject}"}, {"ok": True, "s": "Hi"}),
        ({"resultExpression": "{first: refused[1].code}"}, {"first": 550}),
        ({"resultVariable": "r", "resultExpression": "={s: subject}"}, {"r": RESULT, "s": "Hi"}),
        ({"resultVariable": "r", "resultExpression": "={r: subject}"}, {"r": "Hi"}),
        ({"resultExpression": "={}"}, {}),
        ({"resultExpression": "  "}, {}),
        ({"resultExpression": "={gone: nothing.there}"}, {"gone": None}),
    ],
)
def test_a_result_expression_makes_variables(headers: dict[str, str], expected: dict[str, Any]) -> None:
    assert decided(make_job(headers=headers), RESULT) == Completed(expected)


def test_a_list_is_seen_as_response_alone() -> None:
    job = make_job(headers={"resultExpression": "={n: count(response), first: response[1].subject}"})
    assert decided(job, [{"subject": "a"}, {"subject": "b"}]) == Completed({"n": 2, "first": "a"})


@pytest.mark.parametrize("expression", ["=1", "=[1]", '="text"', "=null", "=response.nothing"])
def test_a_result_expression_that_gives_no_context_names_itself(expression: str) -> None:
    with pytest.raises(ExpressionFailed, match="resultExpression must give a context") as caught:
        decided(make_job(headers={"resultExpression": expression}), RESULT)
    assert expression in caught.value.message


@pytest.mark.parametrize("header", ["resultExpression", "errorExpression"])
def test_an_expression_that_cannot_be_read_is_found_before_the_work(header: str) -> None:
    with pytest.raises(InputError) as caught:
        ConnectorHeaders.of({header: "={a: 1,\n b: }"})
    assert caught.value.details["field"] == header
    assert caught.value.details["line"] == 2
    assert f"The header {header} " in caught.value.message
    assert "line 2, column" in caught.value.message


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("=null", None),
        ("={}", None),
        ('=if sent then null else bpmnError("X")', None),
        ('=bpmnError("NOT_SENT")', BpmnError("NOT_SENT", "", {})),
        ("=bpmnError(404)", BpmnError("404", "", {})),
        ('=bpmnError("A", "because", {x: subject})', BpmnError("A", "because", {"x": "Hi"})),
        ('=jobError("later")', Failed("JOB_ERROR", "later", 0)),
        (
            '=jobError("later", {x: 1}, job.retries - 1, @"PT5M")',
            Failed("JOB_ERROR", "later", 2, 300.0, {"x": 1}),
        ),
        ("=ignoreError()", Completed({}, "IGNORED")),
        ("=ignoreError({x: response.sent})", Completed({"x": True}, "IGNORED")),
        ('={errorType: "bpmnError", errorCode: "A"}', BpmnError("A", "", {})),
    ],
)
def test_an_error_expression_decides_after_success(expression: str, expected: Outcome | None) -> None:
    job = make_job(headers={"resultVariable": "mail", "errorExpression": expression}, retries=3)
    assert decided(job, RESULT) == (expected or Completed({"mail": RESULT}))


def test_an_error_expression_sees_what_the_result_expression_made() -> None:
    headers = {"resultExpression": "={total: 7}", "errorExpression": '=bpmnError("T", string(total))'}
    assert decided(make_job(headers=headers), RESULT) == BpmnError("T", "7", {})


@pytest.mark.parametrize("name", ["job", "response"])
def test_the_name_of_the_result_variable_hides_nothing_from_the_error_expression(name: str) -> None:
    headers = {"resultVariable": name, "errorExpression": "=jobError(response.subject, {}, job.retries)"}
    result = {"subject": "Hi", "job": "clerk"}
    assert decided(make_job(headers=headers, retries=3), result) == Failed("JOB_ERROR", "Hi", 3)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            '=if error.code = "TIMEOUT" then bpmnError("SLOW", error.message) else null',
            BpmnError("SLOW", "Slow.", {}),
        ),
        ("=ignoreError({seen: error.variables.server})", Completed({"seen": "h:25"}, "IGNORED")),
        ("=jobError(error.type, {}, job.retries)", Failed("JOB_ERROR", "ServerTimeout", 3)),
    ],
)
def test_an_error_expression_decides_after_a_failure(expression: str, expected: Outcome) -> None:
    job = make_job(headers={"errorExpression": expression}, retries=3)
    assert failed(job, ServerTimeout("Slow.", server="h:25")) == expected


def test_an_error_expression_that_sees_no_error_leaves_the_failure_as_it_was() -> None:
    job = make_job(headers={"errorExpression": '=if error.code = "OTHER" then bpmnError("X") else null'})
    assert usually_failed(job, ServerTimeout("Slow.")).code == "TIMEOUT"


@pytest.mark.parametrize(
    "expression",
    [
        "=assert(null, false)",
        '="text"',
        "=bpmnError(null)",
        '=jobError("x", {}, -1)',
        '=jobError("x", {}, 1, "soon")',
        '=jobError("x", {}, 99999999999)',
        '=bpmnError("")',
    ],
)
def test_a_broken_error_expression_is_an_incident_that_names_it_and_the_failure(expression: str) -> None:
    outcome = usually_failed(make_job(headers={"errorExpression": expression}), ServerTimeout("Slow."))
    assert (outcome.code, outcome.retries) == ("EXPRESSION_FAILED", 0)
    assert "errorExpression" in outcome.message
    assert outcome.message.endswith("; it was asked about TIMEOUT: Slow.")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ('=jobError("x", {}, 2.5)', "must give whole retries from 0 to 2,147,483,647, but"),
        ('=jobError("x", {}, 2147483648)', "gives 2147483648"),
        ('=jobError(error.message, {a: 1}, 1, "60")', "must give a retryBackoff such as PT30S or PT5M, but"),
        ('=bpmnError(404.5, "x")', "must give an errorCode that is a text or a whole number, but"),
        ('=bpmnError("", "x")', 'gives ""'),
        ("=error.code = null", "gives false"),
        ('={errorType: "bpmnError", errorCode: null}', "gives null"),
    ],
)
def test_a_decision_that_camunda_cannot_take_says_which_part_is_wrong(expression: str, words: str) -> None:
    outcome = usually_failed(make_job(headers={"errorExpression": expression}), ServerTimeout("Slow."))
    assert outcome.code == "EXPRESSION_FAILED"
    assert words in outcome.message


def test_an_entry_of_error_may_have_any_name_where_the_result_expression_makes_one() -> None:
    headers = {
        "resultExpression": "={error: {status: response.size}}",
        "errorExpression": '=if error.status = 5 then bpmnError("X") else null',
    }
    assert decided(make_job(headers=headers), {"size": 5}) == BpmnError("X", "", {})


def test_a_broken_error_expression_that_quotes_a_secret_is_masked() -> None:
    mask = Mask()
    mask.learn("hunter2-Xyz")
    expression = '=assert(error.code = "hunter2-Xyz", error.code = "x", "it is hunter2-Xyz")'
    outcome = usually_failed(make_job(headers={"errorExpression": expression}), ServerTimeout("Slow."), mask)
    assert outcome.code == "EXPRESSION_FAILED"
    assert "hunter2" not in outcome.message


def test_an_error_expression_never_sees_a_secret() -> None:
    mask = Mask()
    mask.learn("hunter2")
    job = make_job(headers={"errorExpression": "=ignoreError({e: error})"})
    outcome = failed(job, ServerTimeout("hunter2 echoed", server="hunter2:25"), mask)
    assert isinstance(outcome, Completed)
    assert outcome.variables["e"]["message"] == "*** echoed"
    assert outcome.variables["e"]["variables"] == {"server": "***:25"}


def test_a_failed_result_expression_is_not_asked_about_again() -> None:
    job = make_job(headers={"resultExpression": "=1", "errorExpression": "=ignoreError()"})
    with pytest.raises(ExpressionFailed) as caught:
        decided(job, RESULT)
    assert usually_failed(job, caught.value).code == "EXPRESSION_FAILED"


def test_the_header_retry_backoff_takes_the_place_of_the_workers() -> None:
    job = make_job(headers={"retryBackoff": "PT1M30S"})
    assert usually_failed(job, ServerTimeout("Slow.")).backoff_seconds == 90.0


@pytest.mark.parametrize(("asked", "waited"), [(40, 90.0), (300, 300.0)])
def test_a_server_that_asks_to_wait_longer_than_the_retry_backoff_gets_its_time(
    asked: int, waited: float
) -> None:
    job = make_job(headers={"retryBackoff": "PT1M30S"})
    failure = TokenEndpointUnavailable("Busy.", retryAfterSeconds=asked)
    assert usually_failed(job, failure).backoff_seconds == waited


def test_variables_of_an_error_expression_that_are_too_large_are_an_incident() -> None:
    job = make_job(headers={"errorExpression": "=ignoreError({m: error.message})"})
    outcome = failed(job, ServerTimeout("x" * 200), max_bytes=100)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retries) == ("RESULT_TOO_LARGE", 0)
