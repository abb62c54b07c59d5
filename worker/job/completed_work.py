"""Work that is done but not yet reported to Camunda: the report is repeated, never the work (idempotency)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from worker.errors import SendOutcomeUnknown
from worker.job import progress
from worker.job.job import Job
from worker.recent import MOST, Recent

# The result of work that had an effect, as JSON values, or the failure that leaves its effect unknown.
Entry = tuple[Any] | SendOutcomeUnknown

# Of results, as JSON, and of as many jobs as `Recent` keeps: a job counts once for each part of the octets.
_KEPT_OCTETS = 64 * 1024 * 1024
_PART_OCTETS = _KEPT_OCTETS // MOST


class CompletedWork:
    """Remembers, by job and variables, the work that must not be repeated.

    The job's own variables are part of the key: a person who corrects them after an incident asks for
    different work.
    """

    def __init__(self) -> None:
        # Each entry with what it counts.
        self._jobs: Recent[int, dict[bytes, tuple[Entry, int]]] = Recent(size_of=_count)

    def record(self, job: Job, entry: Entry) -> None:
        """Note what was done for `job`."""
        shown = entry.details if isinstance(entry, SendOutcomeUnknown) else entry[0]
        counted = entry, 1 + len(json.dumps(shown)) // _PART_OCTETS
        self._jobs[job.key] = {**self._jobs.get(job.key, {}), _what_is_asked(job): counted}

    def recall(self, job: Job) -> Entry | None:
        """Return what was done for `job` already, if anything."""
        # Nearly all jobs are not here: their variables, which may be long, are not looked at.
        entries = self._jobs.get(job.key)
        entry = entries.get(_what_is_asked(job)) if entries else None
        return entry[0] if entry else None

    def forget(self, job: Job) -> None:
        """Forget the job: Camunda has its outcome, or the job is gone."""
        entries = self._jobs.get(job.key)
        if entries:
            entries.pop(_what_is_asked(job), None)
            if not entries:
                del self._jobs[job.key]


def _count(entries: dict[bytes, tuple[Entry, int]]) -> int:
    return sum(count for _, count in entries.values())


def _what_is_asked(job: Job) -> bytes:
    # The progress of earlier attempts is not part of the request.
    variables = {name: value for name, value in job.variables.items() if name != progress.VARIABLE}
    asked = json.dumps(variables, sort_keys=True).encode()
    return hashlib.blake2b(asked, digest_size=16).digest()
