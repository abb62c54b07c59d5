from __future__ import annotations

import pytest

from worker.errors import InputError
from worker.job.headers import ConnectorHeaders


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"resultVariable": "mail"}, "mail"),
        ({"resultVariable": " mail "}, "mail"),
        ({"resultVariable": "  "}, None),
        ({"ResultVariable": "mail"}, None),
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
def test_what_is_no_duration_is_refused_by_name(header: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        ConnectorHeaders.of({header: text})
    assert caught.value.message == (
        f"The header {header} must be an ISO 8601 duration such as PT30S or PT5M; found {text!r}."
    )


def test_no_pause_is_a_pause_but_no_time_is_no_timeout() -> None:
    assert ConnectorHeaders.of({"retryBackoff": "PT0S"}).retry_backoff_seconds == 0.0
    with pytest.raises(InputError, match="jobTimeout must be longer"):
        ConnectorHeaders.of({"jobTimeout": "PT0S"})
