from __future__ import annotations


class SandboxError(Exception):
    """The sandbox could not start or do what was asked: one sentence that says what failed and how to fix it.

    It stands outside the tree of `worker.errors` because no job ever fails with it.
    """
