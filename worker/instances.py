"""Process instances from the command line: start one and wait for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from worker.errors import DocumentError
from worker.job.engine_errors import EngineError
from worker.job.gateway import InstanceNotEnded
from worker.masking import Mask
from worker.rest_api import RestApi
from worker.settings import Settings
from worker.wiring import open_gateway, open_rest_api, open_sign_in

_PAUSE_SECONDS = 0.2
_LONGEST_CHECK_SECONDS = 10.0


class Cluster:
    """The cluster as the settings say. Raises InputError."""

    def __init__(self, settings: Settings) -> None:
        self._sign_in = open_sign_in(settings, Mask())
        self._rest_api = open_rest_api(settings, self._sign_in)
        self._needs_rest_api = settings.gateway.rest_address is not None
        self.gateway = open_gateway(settings, self._sign_in)

    async def close(self) -> None:
        """Close all connections."""
        if self._rest_api is not None:
            await self._rest_api.close()
        await self.gateway.close()

    async def run_to_end(
        self, process_id: str, variables: Mapping[str, Any], *, within_seconds: float
    ) -> dict[str, Any]:
        """Start an instance and wait for its end or its first incident; return its variables.

        Raises EmailError, and EngineError that says how the instance ended otherwise.
        """
        rest_api = await self._find_rest_api(min(within_seconds, _LONGEST_CHECK_SECONDS))
        if rest_api is not None:
            instance = await self.gateway.start(process_id, variables)
            return await _wait(rest_api, instance, within_seconds)
        try:
            return await self.gateway.run(process_id, variables, within_seconds=within_seconds)
        except InstanceNotEnded as error:
            raise EngineError(
                f"The instance has not ended within {within_seconds:g} s; set ZEEBE_REST_ADDRESS to"
                " see its incidents."
            ) from error

    async def _find_rest_api(self, within_seconds: float) -> RestApi | None:
        """Return the REST API; None if no address is set and none answers at the usual one."""
        if self._rest_api is None:
            return None
        try:
            async with asyncio.timeout(within_seconds):
                await self._rest_api.check()
        except (DocumentError, TimeoutError) as error:
            if not self._needs_rest_api:
                return None
            if isinstance(error, DocumentError):
                raise
            raise EngineError(
                f"The REST API at {self._rest_api.url} did not answer within {within_seconds:g} s; check"
                " ZEEBE_REST_ADDRESS."
            ) from error
        return self._rest_api


async def _wait(rest_api: RestApi, instance: int, within_seconds: float) -> dict[str, Any]:
    """Return the variables at the end; raises EngineError if the instance cannot go on by itself."""
    state = None
    try:
        async with asyncio.timeout(within_seconds):
            while True:
                state = await rest_api.state(instance)
                if state == "COMPLETED":
                    return await rest_api.variables(instance)
                if state == "TERMINATED":
                    raise EngineError(f"Instance {instance} was cancelled.")
                incident = await rest_api.incident(instance)
                if incident is not None:
                    raise EngineError(f"Instance {instance} has an incident at {incident}")
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError as error:
        if state is not None:
            problem = f"Instance {instance} has not ended within {within_seconds:g} s, and has no incident."
        else:
            problem = (
                f"Instance {instance} has started, but the REST API does not know it after"
                f" {within_seconds:g} s; ZEEBE_REST_ADDRESS must be of the same cluster as ZEEBE_ADDRESS,"
                " Camunda 8.8 or newer."
            )
        raise EngineError(problem) from error
    except DocumentError as error:
        raise EngineError(
            f"Instance {instance} has started, but its end is not known: {error.message}"
        ) from error
