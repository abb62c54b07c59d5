"""Metrics, health pages and traces of a serving worker, in one object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from worker import __version__
from worker.event_loop import background
from worker.health import health_pages
from worker.job.gateway import ZeebeGateway
from worker.job.report import JobReport, Observers
from worker.job.runtime import Runtime
from worker.liveness import Liveness
from worker.mail.clients import MailClients
from worker.masking import Mask
from worker.metrics import Metrics
from worker.settings import Settings, TraceSettings

if TYPE_CHECKING:
    from worker.traces import Traces

log = structlog.get_logger(__name__)

# In addition to the time of a poll, during which Camunda may not answer.
_ANSWER_SECONDS = 15.0


class Telemetry:
    """Metrics, health pages and traces of one run of `serve`."""

    def __init__(self, settings: Settings, mask: Mask, operations: Iterable[str]) -> None:
        self._settings = settings.worker
        self._metrics = Metrics(operations, version=__version__)
        self.traces = _open_traces(settings.traces, mask)

    @property
    def observers(self) -> Observers:
        """The observers of the pipeline."""
        return Observers(self._job_ended, self._metrics.report_retried, self._metrics.step_begun)

    @asynccontextmanager
    async def exposed(
        self, runtime: Runtime, gateway: ZeebeGateway, clients: MailClients
    ) -> AsyncIterator[None]:
        """Show the state of these while the block runs. Raises PortTaken."""
        silence_seconds = self._settings.poll_timeout_seconds + _ANSWER_SECONDS
        liveness = Liveness(runtime, max_silence_seconds=silence_seconds)
        self._metrics.read(clients, liveness)
        async with AsyncExitStack() as shown:
            if self.traces is not None:
                shown.push_async_callback(self.traces.close)
            await shown.enter_async_context(background(liveness.heartbeat.beat_on(), "heartbeat"))
            host, port = self._settings.health_host, self._settings.health_port
            await shown.enter_async_context(health_pages(host, port, liveness, self._metrics))
            probe = runtime.connection.probe(gateway.version)
            await shown.enter_async_context(background(probe, "probe of the gateway"))
            yield

    def _job_ended(self, report: JobReport) -> None:
        self._metrics.job_ended(report)
        if self.traces is not None:
            self.traces.job_ended(report)


def _open_traces(settings: TraceSettings, mask: Mask) -> Traces | None:
    if not settings.are_wanted:
        return None
    try:
        # Imported only here: the extra may be missing, and the import is slow.
        from worker.traces import Traces, open_exporter  # noqa: PLC0415
    except ModuleNotFoundError:
        log.warning("traces_not_installed", install="pip install 'camunda-email-worker[traces]'")
        return None
    for credential in settings.credentials:
        mask.learn(credential)
    return Traces(open_exporter(settings.exporter, settings.url), mask, version=__version__)
