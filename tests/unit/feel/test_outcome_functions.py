"""bpmnError, jobError and ignoreError: what an error expression can decide."""

from __future__ import annotations

from typing import Any

import pytest

from worker.feel import FeelError, evaluate


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
