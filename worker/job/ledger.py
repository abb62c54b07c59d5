"""What was done but is not known to the engine yet, so that it is told and not done again."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import Any

from worker.errors import SendOutcomeUnknown
from worker.job.job import Job

_KEPT_ENTRIES = 10_000

# The result of work that had an effect, as JSON values, or the failure that leaves its effect unknown.
Entry = tuple[Any] | SendOutcomeUnknown


class Ledger:
    """Remembers, by job and by what the job asked for, the work that must not be repeated.

    The job's own variables are part of the key: a person who corrects them after an incident asks for
    different work. Bounded; the oldest entries go first.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[int, bytes], Entry] = OrderedDict()

    def record(self, job: Job, entry: Entry) -> None:
        """Note what was done for `job`."""
        self._entries[_key(job)] = entry
        while len(self._entries) > _KEPT_ENTRIES:
            self._entries.popitem(last=False)

    def recall(self, job: Job) -> Entry | None:
        """Return what was done for `job` already, if anything."""
        return self._entries.get(_key(job))

    def forget(self, job: Job) -> None:
        """The engine knows, or the job is gone."""
        self._entries.pop(_key(job), None)


def _key(job: Job) -> tuple[int, bytes]:
    asked = json.dumps(dict(job.variables), sort_keys=True).encode()
    return job.key, hashlib.blake2b(asked, digest_size=16).digest()
