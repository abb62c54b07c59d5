"""bpmnError, jobError, ignoreError and backoff: what an error expression can decide."""

from __future__ import annotations

from typing import Any

import pytest

from worker.feel import FeelError, Sources, evaluate


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        ('bpmnError("CODE")', {"errorType": "bpmnError", "errorCode": "CODE"}),
        ("bpmnError(404)", {"errorType": "bpmnError", "errorCode": 404}),
        (
            'bpmnError("CODE", "text")',
            {"errorType": "bpmnError", "errorCode": "CODE", "errorMessage": "text"},
        ),
        (
            'bpmnError("CODE", "text", {a: 1})',
            {"errorType": "bpmnError", "errorCode": "CODE", "errorMessage": "text", "variables": {"a": 1}},
        ),
        (
            'bpmnError(errorMessage: "text", errorCode: "CODE")',
            {"errorType": "bpmnError", "errorCode": "CODE", "errorMessage": "text"},
        ),
        ('jobError("text")', {"errorType": "jobError", "errorMessage": "text"}),
        (
            'jobError("text", {a: 1}, 2, @"PT30S")',
            {
                "errorType": "jobError",
                "errorMessage": "text",
                "variables": {"a": 1},
                "retries": 2,
                "retryBackoff": "PT30S",
            },
        ),
        ('bpmnError(code: "CODE")', {"errorType": "bpmnError", "errorCode": "CODE"}),
        (
            'jobError(message: "text", backoff: @"PT0.5S")',
            {
                "errorType": "jobError",
                "errorMessage": "text",
                "variables": None,
                "retries": None,
                "retryBackoff": "PT0.5S",
            },
        ),
        ("ignoreError()", {"errorType": "ignoreError"}),
        ("ignoreError({a: 1})", {"errorType": "ignoreError", "variables": {"a": 1}}),
        ("ignoreError(null)", {"errorType": "ignoreError", "variables": None}),
    ],
)
def test_an_outcome_is_a_context_of_its_arguments(expression: str, outcome: dict[str, Any]) -> None:
    assert evaluate(expression, {}) == outcome


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("bpmnError(null)", "number or string as its errorCode, not a null"),
        ("bpmnError(missing.code)", "errorCode"),
        ('bpmnError("CODE", 5)', "string as its errorMessage, not a number"),
        ('bpmnError("CODE", "text", [1])', "context as its variables, not a list"),
        ('jobError("text", {}, "3")', "number as its retries, not a string"),
        ('jobError("text", {}, 3, 5)', "as its retryBackoff, not a number"),
        ("ignoreError(5)", "context as its variables"),
    ],
)
def test_a_wrong_argument_is_an_error_and_not_null(expression: str, words: str) -> None:
    with pytest.raises(FeelError, match=words):
        evaluate(expression, {})


def test_an_error_expression_decides_by_the_code() -> None:
    expression = """
        if error.code = "AUTHENTICATION_FAILED" then bpmnError("LOGIN", error.message)
        else if error.code = "TIMEOUT" then jobError(error.message, {}, job.retries - 1, @"PT1M")
        else null
    """
    job = {"retries": 3}
    assert evaluate(expression, {"error": {"code": "TIMEOUT", "message": "slow"}, "job": job}) == {
        "errorType": "jobError",
        "errorMessage": "slow",
        "variables": {},
        "retries": 2,
        "retryBackoff": "PT1M",
    }
    assert evaluate(expression, {"error": {"code": "OTHER", "message": "x"}, "job": job}) is None


@pytest.mark.parametrize(
    ("expression", "milliseconds"),
    [
        ("backoff(1)", 50),
        ("backoff(2)", 80),
        ("backoff(3)", 128),
        ("backoff(20)", 5_000),
        ("backoff(10 ** 9)", 5_000),
        ('backoff(1, @"PT1S", 2, @"PT1M")', 1_000),
        ('backoff(4, @"PT1S", 2, @"PT1M")', 8_000),
        ('backoff(9, @"PT1S", 2, @"PT1M")', 60_000),
        ('backoff(attempt: 3, minDelay: @"PT1S", maxDelay: @"PT1M")', 2_560),
        ('backoff(3, @"PT1S", 0.5, @"PT1M", 0)', 1_000),
    ],
)
def test_backoff_grows_with_each_attempt_up_to_its_maximum(expression: str, milliseconds: int) -> None:
    middle = Sources(random=lambda: 0.5)
    value = evaluate(f'{expression} / @"PT0.001S"', {}, sources=middle)
    assert value == milliseconds


@pytest.mark.parametrize(("chance", "milliseconds"), [(0.0, 6_400), (0.5, 8_000), (1.0, 9_600)])
def test_backoff_is_spread_by_its_jitter(chance: float, milliseconds: int) -> None:
    expression = 'backoff(4, @"PT1S", 2, @"PT1M", 0.2) / @"PT0.001S"'
    assert evaluate(expression, {}, sources=Sources(random=lambda: chance)) == milliseconds


def test_a_backoff_below_a_second_reaches_the_job_error() -> None:
    sources = Sources(random=lambda: 0.5)
    value = evaluate('jobError("later", {}, 2, backoff(2))', {}, sources=sources)
    assert value["retryBackoff"] == "PT0.08S"


@pytest.mark.parametrize(
    "expression",
    [
        "backoff(0)",
        'backoff("1")',
        "backoff(null)",
        'backoff(1, @"PT1M", 2, @"PT1S")',
        'backoff(1, @"-PT1S")',
        'backoff(1, @"PT1S", 0, @"PT1M")',
        'backoff(1, @"PT1S", 2, @"PT1M", -1)',
        'backoff(1, 5, 2, @"PT1M")',
    ],
)
def test_a_wrong_backoff_is_an_error(expression: str) -> None:
    with pytest.raises(FeelError, match=r"backoff\(\) needs"):
        evaluate(expression, {})
