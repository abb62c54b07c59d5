"""What the cluster's REST API says of a process instance: its state, its incident, its variables."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from worker.documents.cluster_api import ClusterApi
from worker.errors import DocumentRefused, DocumentsUnavailable

T = TypeVar("T")

_MAX_ANSWER_BYTES = 50 * 1024 * 1024
_MAX_VARIABLES = 1_000


class RestApi(ClusterApi):
    """Asks the REST API of Camunda 8.8 and newer."""

    async def check(self) -> None:
        """Raise DocumentError unless Camunda answers at the address."""
        try:
            is_camunda = await self._ask("GET", "/topology", lambda answer: "gatewayVersion" in dict(answer))
        except DocumentsUnavailable as error:
            raise DocumentsUnavailable(
                f"The REST API at {self.url} cannot be reached: {error.message.removesuffix('.')};"
                " check ZEEBE_REST_ADDRESS."
            ) from error
        if not is_camunda:
            raise DocumentRefused(f"There is no REST API of Camunda at {self.url}; check ZEEBE_REST_ADDRESS.")

    async def state(self, instance: int) -> str | None:
        """Return ACTIVE, COMPLETED or TERMINATED; None if the API does not know the instance yet."""
        return await self._ask("GET", f"/process-instances/{instance}", lambda answer: str(answer["state"]))

    async def incident(self, instance: int) -> str | None:
        """Return the place and the text of an incident that is not resolved, or None."""
        path = f"/process-instances/{instance}/incidents/search"
        return await self._ask("POST", path, _first_incident, json={})

    async def variables(self, instance: int) -> dict[str, Any]:
        """Return the variables of the process."""
        wanted = {"processInstanceKey": str(instance), "scopeKey": str(instance)}
        asked = {"filter": wanted, "page": {"limit": _MAX_VARIABLES}}
        return await self._ask("POST", "/variables/search", _values_by_name, json=asked) or {}

    async def _ask(self, method: str, path: str, read: Callable[[Any], T], **body: Any) -> T | None:
        """Return what `read` finds in the JSON of an answer; None for 404. Raises EmailError."""
        response = await self.request(method, path, max_bytes=_MAX_ANSWER_BYTES, body=lambda: body)
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        try:
            if response.status == HTTPStatus.OK:
                return read(json.loads(response.content))
        except (LookupError, TypeError, ValueError, RecursionError):  # from a server that is not Camunda
            pass
        raise DocumentRefused(
            f"The REST API at {self.url} did not answer {path}: status {response.status};"
            " check ZEEBE_REST_ADDRESS and the credentials."
        )


def _first_incident(answer: Any) -> str | None:
    active = [item for item in answer["items"] if dict(item).get("state") != "RESOLVED"]
    return f"{active[0]['elementId']}: {active[0]['errorMessage']}" if active else None


def _values_by_name(answer: Any) -> dict[str, Any]:
    return {item["name"]: _value(item["value"]) for item in answer["items"]}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # Camunda cuts long values
        return text
