"""The examples that stand in the fields, evaluated as the worker does: a person may take them as they are."""

from __future__ import annotations

from typing import Any

import pytest

from worker import feel
from worker.errors import EmailError, MessageNotFound
from worker.job.expressions import error_scope, result_scope
from worker.operations.catalogue import CATALOGUE, Operation
from worker.template.wording import WORDINGS

ENTRY = {
    "messageId": "<1@example.com>",
    "fromAddress": "jane@example.com",
    "subject": "An order",
    "plainTextBody": "Ten pencils",
    "sent": True,
    "deleted": True,
    "seen": True,
    "unread": 3,
    "from": "INBOX",
    "to": "Orders",
}
FAILURE: EmailError = MessageNotFound("It is gone.", server="mail.example.com")


def result_of(operation: Operation) -> Any:
    known = {field.alias for field in operation.result.model_fields.values()}
    entry = {name: value for name, value in ENTRY.items() if name in known}
    return [entry] if operation.is_list else entry


def evaluate(expression: str, scope: dict[str, Any]) -> Any:
    return feel.parse(expression).evaluate(scope)


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.task_type)
def test_the_result_example_makes_variables_with_values(operation: Operation) -> None:
    expression = WORDINGS[operation.task_type].result_expression
    variables = evaluate(expression, result_scope(result_of(operation)))
    assert variables
    assert None not in variables.values()


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.task_type)
def test_the_error_example_leaves_success_alone_and_can_be_evaluated_after_a_failure(
    operation: Operation,
) -> None:
    expression = WORDINGS[operation.task_type].error_expression
    assert evaluate(expression, result_scope(result_of(operation))) is None
    decision = evaluate(expression, error_scope(FAILURE))
    if FAILURE.code in expression:
        assert decision["errorType"] == "bpmnError"
        assert decision["errorMessage"] == "It is gone."
    else:
        assert decision is None


@pytest.mark.parametrize(
    "operation", [row for row in CATALOGUE if row.is_list], ids=lambda row: row.task_type
)
def test_the_result_example_of_a_list_takes_an_empty_one(operation: Operation) -> None:
    variables = evaluate(WORDINGS[operation.task_type].result_expression, result_scope([]))
    assert isinstance(variables, dict)


def test_the_error_example_of_sending_throws_if_no_recipient_was_accepted() -> None:
    decision = evaluate(WORDINGS["email.smtp.send"].error_expression, result_scope({"sent": False}))
    assert decision["errorCode"] == "NOT_SENT"
