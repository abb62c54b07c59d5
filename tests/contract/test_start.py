"""What a worker says of its settings when it starts."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from testkit.workers import serving


@pytest.mark.parametrize(
    ("environment", "warnings"),
    [({}, ["warning"]), ({"EMAIL_WORKER_ALLOWED_SERVERS": "smtp.example.com:587"}, [])],
    ids=["any", "listed"],
)
async def test_it_warns_if_diagrams_may_use_any_server(
    environment: dict[str, str], warnings: list[str]
) -> None:
    with capture_logs() as logs:
        async with serving("127.0.0.1:1", **environment):
            pass
    assert [line["log_level"] for line in logs if line["event"] == "any_server_allowed"] == warnings
