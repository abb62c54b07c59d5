from __future__ import annotations

import pytest

from worker.job.headers import ConnectorHeaders


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, {}),
        ({"resultVariable": "mail"}, {"mail": [1]}),
        ({"resultVariable": " mail "}, {"mail": [1]}),
        ({"resultVariable": ""}, {}),
        ({"resultVariable": "  "}, {}),
        ({"ResultVariable": "mail"}, {}),
        ({"elementTemplateId": "x", "other": "y"}, {}),
    ],
)
def test_the_result_goes_into_the_variable_that_the_header_names(
    headers: dict[str, str], expected: dict[str, list[int]]
) -> None:
    assert ConnectorHeaders.of(headers).variables_for([1]) == expected


@pytest.mark.parametrize("result", [None, [], {}, 0, "", False])
def test_a_result_that_is_empty_is_still_a_result(result: object) -> None:
    assert ConnectorHeaders.of({"resultVariable": "mail"}).variables_for(result) == {"mail": result}
