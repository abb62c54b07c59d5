"""Requests to the cluster's REST API, signed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from worker.documents.http_client import HttpClient, HttpResponse
from worker.documents.sign_in import SignIn


class ClusterApi:
    """The REST API. `address`: as in ZEEBE_REST_ADDRESS, such as `https://bru-2.zeebe.camunda.io/<cluster>`."""

    def __init__(self, http: HttpClient, address: str, sign_in: SignIn | None) -> None:
        self.url = f"{address.removesuffix('/').removesuffix('/v2')}/v2"
        self._http = http
        self._sign_in = sign_in

    async def request(
        self, method: str, path: str, *, max_bytes: int, body: Callable[[], Mapping[str, Any]] = dict
    ) -> HttpResponse:
        """Send a request; repeat it once with a new token if the old one is no longer valid.

        `body`: makes aiohttp's `data`, `json` or `params`. Raises a DocumentError.
        """
        url = self.url + path
        if self._sign_in is None:
            return await self._http.request(method, url, max_bytes=max_bytes, **body())
        shown = await self._sign_in.authorization()
        headers = {"Authorization": shown}
        response = await self._http.request(method, url, max_bytes=max_bytes, headers=headers, **body())
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._sign_in.forget(shown)
            headers = {"Authorization": await self._sign_in.authorization()}
            if headers["Authorization"] != shown:
                return await self._http.request(method, url, max_bytes=max_bytes, headers=headers, **body())
        return response

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        if self._sign_in is not None:
            await self._sign_in.close()
