"""The retries with which failing jobs started, so that their retry backoff can grow."""

from __future__ import annotations

from collections import OrderedDict

from worker.job.job import Job

_KEPT_JOBS = 10_000


class Attempts:
    """Remembers the highest retries of each failing job; the job itself tells only how many are left.

    Bounded; the jobs that failed longest ago go first.
    """

    def __init__(self) -> None:
        self._retries: OrderedDict[int, int] = OrderedDict()

    def failed(self, job: Job) -> int:
        """Note that `job` failed, and return the most retries that it is known to have had."""
        most = max(job.retries, self._retries.pop(job.key, 0))
        self._retries[job.key] = most
        while len(self._retries) > _KEPT_JOBS:
            self._retries.popitem(last=False)
        return most
