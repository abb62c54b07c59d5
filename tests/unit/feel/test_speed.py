"""Expressions are evaluated between two commands to Camunda: they must not be what takes the time."""

from __future__ import annotations

from typing import Any

import pytest
from testkit.work import calls_of

from worker.feel import evaluate

LIMIT_CALLS = 500
_SENT = {"subject": "Order 4711", "sent": True, "messageId": "<1@example.org>"}
_LISTED = [
    {
        "messageId": "<4711@example.org>",
        "fromAddress": "jane@example.org",
        "subject": "Order 4711",
        "size": 503,
    },
    {
        "messageId": "<118@example.net>",
        "fromAddress": "joe@example.net",
        "subject": "Urgent: 118",
        "size": 306,
    },
]
_READ = {
    **_SENT,
    "plainTextBody": "Dear team,\nplease ship it.\n" * 100,
    "headers": [{"header": f"X-{number}", "value": "x" * 40} for number in range(30)],
}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("={about: response.subject, isSent: sent, mailId: messageId}", _SENT),
        ("={mailCount: count(response), mailIds: response.messageId}", _LISTED),
        ('={urgent: response[starts with(subject, "Urgent")][1].messageId}', _LISTED),
        ('={isReply: starts with(lower case(subject), "re:"), text: response.plainTextBody}', _READ),
        (
            '=if error.code = "TIMEOUT" then jobError(error.message, {}, job.retries - 1, @"PT5M") else null',
            {},
        ),
    ],
)
def test_a_typical_expression_is_little_work(expression: str, result: Any) -> None:
    entries = result if isinstance(result, dict) else {}
    scope = {**entries, "response": result, "job": {"retries": 3}}
    evaluate(expression, scope)  # which reads it, once
    assert calls_of(lambda: evaluate(expression, scope)) < LIMIT_CALLS
