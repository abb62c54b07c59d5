from __future__ import annotations

import pytest
from testkit.jobs import make_job

from worker import errors
from worker.errors import EmailError, InternalError, ResultTooLarge, ServerTimeout
from worker.job.outcome import Completed, Failed, RetryRule, decide, decide_failure, to_json
from worker.models.base import Result
from worker.secret_store import Mask

RULE = RetryRule(10.0, jitter=0.5)


class Letter(Result):
    message_id: str


class Echo(Result):
    quotes_server = True
    text: str


def as_it_is(text: str) -> str:
    return text


def all_errors(base: type[EmailError] = EmailError) -> list[type[EmailError]]:
    return [error for child in base.__subclasses__() for error in (child, *all_errors(child))]


CONCRETE = [error for error in all_errors() if hasattr(error, "code")]


def test_a_result_or_a_list_of_them_becomes_json() -> None:
    mask = Mask()
    assert to_json(Letter(message_id="<1@x>"), mask) == {"messageId": "<1@x>"}
    assert to_json([Letter(message_id="<1@x>")], mask) == [{"messageId": "<1@x>"}]
    assert to_json([], mask) == []


def test_a_result_that_quotes_a_server_is_masked_and_a_mail_is_left_as_it_is() -> None:
    mask = Mask()
    mask.learn("hunter2")
    assert to_json(Echo(text="550 hunter2"), mask) == {"text": "550 ***"}
    assert to_json([Letter(message_id="<hunter2@x>")], mask) == [{"messageId": "<hunter2@x>"}]


def test_a_result_goes_where_the_header_says_and_nowhere_without_one() -> None:
    assert decide(make_job(), {"a": 1}, max_bytes=100) == Completed({})
    job = make_job(headers={"resultVariable": "mail"})
    assert decide(job, {"a": 1}, max_bytes=100) == Completed({"mail": {"a": 1}})


def test_a_result_of_just_the_limit_passes_and_one_byte_more_does_not() -> None:
    job = make_job(headers={"resultVariable": "r"})
    size = len('{"r": "xxxxx"}')
    assert decide(job, "xxxxx", max_bytes=size) == Completed({"r": "xxxxx"})
    with pytest.raises(ResultTooLarge) as caught:
        decide(job, "xxxxx", max_bytes=size - 1)
    assert caught.value.details == {"bytes": size, "limit": size - 1}
    assert f"{size} bytes" in caught.value.message


def test_the_size_is_that_of_what_is_sent_not_of_what_is_read() -> None:
    job = make_job(headers={"resultVariable": "r"})
    with pytest.raises(ResultTooLarge):
        decide(job, "€" * 20, max_bytes=100)


def test_a_result_that_goes_nowhere_is_never_too_large() -> None:
    assert decide(make_job(), "x" * 1_000, max_bytes=10) == Completed({})


@pytest.mark.parametrize("error", CONCRETE, ids=lambda error: error.__name__)
def test_each_error_says_its_code_and_is_retried_only_if_that_may_help(error: type[EmailError]) -> None:
    outcome = decide_failure(make_job(retries=3), error("Something."), RULE, as_it_is)
    assert outcome.message == f"{error.code}: Something."
    assert outcome.code == error.code
    assert outcome.retries == (2 if error.is_retryable else 0)
    assert (outcome.backoff_seconds > 0) is error.is_retryable


def test_what_may_pass_by_itself_is_just_what_the_tree_says() -> None:
    retried = {error.code for error in CONCRETE if error.is_retryable}
    assert retried == {
        "CONNECTION_FAILED",
        "TIMEOUT",
        "SERVER_UNAVAILABLE",
        "MAILBOX_BUSY",
        "PROTOCOL_ERROR",
        "RECIPIENT_REFUSED",
        "MESSAGE_REFUSED",
    }
    assert not errors.SendOutcomeUnknown.is_retryable


@pytest.mark.parametrize(("retries", "left"), [(5, 4), (3, 2), (2, 1), (1, 0), (0, 0)])
def test_a_retry_costs_one_of_the_retries(retries: int, left: int) -> None:
    outcome = decide_failure(make_job(retries=retries), ServerTimeout("Slow."), RULE, as_it_is)
    assert outcome.retries == left


@pytest.mark.parametrize(
    ("retries", "jitter", "seconds"),
    [
        (10, 0.5, 10.0),
        (3, 0.5, 10.0),
        (2, 0.5, 20.0),
        (1, 0.5, 40.0),
        (3, 0.0, 8.0),
        (3, 1.0, 12.0),
        (0, 0.5, 80.0),
    ],
)
def test_the_pause_doubles_with_each_attempt_and_is_spread(
    retries: int, jitter: float, seconds: float
) -> None:
    assert RetryRule(10.0, jitter).backoff_seconds(retries) == pytest.approx(seconds)


def test_the_pause_has_an_end_and_may_be_none() -> None:
    assert RetryRule(86_400.0, 0.5).backoff_seconds(1) == pytest.approx(3_600.0)
    assert RetryRule(0.0, 0.9).backoff_seconds(1) == 0.0


@pytest.mark.parametrize("error", [KeyError("hunter2"), ValueError("hunter2"), TimeoutError("hunter2")])
def test_a_foreign_exception_becomes_an_internal_error_without_its_text(error: Exception) -> None:
    job = make_job(key=42)
    outcome = decide_failure(job, error, RULE, as_it_is)
    assert (outcome.code, outcome.retries) == (InternalError.code, 0)
    assert "hunter2" not in outcome.message
    assert type(error).__name__ in outcome.message
    assert "job key 42" in outcome.message


def test_a_long_message_is_cut_after_it_is_masked() -> None:
    error = ServerTimeout("x" * 1_986 + "hunter2" + "y" * 5_000)
    outcome = decide_failure(make_job(), error, RULE, lambda text: text.replace("hunter2", "***"))
    assert len(outcome.message) == 2_000
    assert "hunt" not in outcome.message


def test_outcomes_are_values() -> None:
    assert Failed("A", "m", 0) == Failed("A", "m", 0, 0.0, {})
