"""What the worker makes of answers of the cluster's REST API that are none."""

from __future__ import annotations

import pytest
from testkit.document_server import DocumentServer

from worker.errors import DocumentRefused
from worker.settings import Settings
from worker.wiring import open_rest_api


@pytest.mark.parametrize("body", ["", "<html>", "{", "[" * 20_000, "[]", "null", "\0"])
async def test_an_answer_that_is_none_of_camunda_is_told(body: str) -> None:
    async with DocumentServer() as server:
        server.pages["v2/topology"] = (200, {}, body.encode())
        settings = Settings.from_environment({"ZEEBE_REST_ADDRESS": f"{server.address}/files"})
        api = open_rest_api(settings, None)
        assert api is not None
        try:
            with pytest.raises(DocumentRefused, match=r"check ZEEBE_REST_ADDRESS"):
                await api.check()
        finally:
            await api.close()
