"""An event loop that does not wait: when nothing else is to be done, its clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class SkippingLoop(asyncio.SelectorEventLoop):
    """Hours pass in a moment. No sockets, no threads: with no timer left either, nothing can happen."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_SkippingSelector(self))

    def time(self) -> float:
        return self._now

    def run_in_executor(self, _: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Do the work of a thread at once, as it takes no time on this clock."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - given to whoever waits
            done.set_exception(error)
        return done

    def skip(self, seconds: float) -> None:
        self._now += seconds


class _SkippingSelector(selectors.SelectSelector):
    def __init__(self, loop: SkippingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        # A little more than asked for, as rounding must not leave the timer in the future.
        self._loop.skip(timeout + 1e-9 if timeout > 0 else 0.0)
        return super().select(0)


def on_skipping_clock(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a SkippingLoop."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=SkippingLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """The running loop's clock."""
    return asyncio.get_running_loop().time()
