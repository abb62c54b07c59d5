"""The request of a job, read in a thread if its variables are so large that other work would wait."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from worker.job.assignment import Assignment
from worker.job.binding import bind
from worker.masking import Mask
from worker.secret_store import SecretStore

# Reading takes a microsecond for a character at worst.
_LARGE_CHARACTERS = 50_000


async def read_request(
    assignment: Assignment, secrets: SecretStore, mask: Mask, secret_fields: tuple[str, ...]
) -> Any:
    """Return the request that a job's variables make; see `bind`."""
    read = partial(
        bind,
        assignment.operation.request,
        assignment.variables,
        secrets=secrets,
        mask=mask,
        secret_fields=secret_fields,
        notation=assignment.notation,
    )
    return await asyncio.to_thread(read) if _is_large(assignment.variables) else read()


def _is_large(variables: Mapping[str, Any]) -> bool:
    left = _LARGE_CHARACTERS
    waiting: list[Any] = [variables]
    while waiting and left > 0:
        value = waiting.pop()
        if isinstance(value, (str, list, Mapping)):
            left -= len(value)
        if isinstance(value, Mapping):
            waiting += (*value, *value.values())
        elif isinstance(value, list):
            waiting += value
    return left <= 0
