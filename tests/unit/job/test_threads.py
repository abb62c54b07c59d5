"""Work in threads."""

from __future__ import annotations

import asyncio
import threading

from worker.job.threads import finish_in_thread


async def test_work_in_a_thread_is_finished_although_its_task_is_cancelled() -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        has_begun.set()
        may_end.wait(10)
        return "sent"

    task = asyncio.create_task(finish_in_thread(work))
    await asyncio.to_thread(has_begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    may_end.set()
    assert await task == "sent"
