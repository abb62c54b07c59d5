"""OpenTelemetry: a span for each job, with a child span for each step at a mail server. Extra: `traces`.

Attributes follow OpenTelemetry's semantic conventions (messaging, server, network, error) where they exist.
They never contain the contents of a job or an email.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from worker.job.outcome import Completed, Returned
from worker.job.report import JobReport
from worker.mail.command_trace import Step
from worker.masking import Mask, current_mask


def open_exporter(exporter: str | None, url: str | None) -> SpanExporter:
    """Return the exporter of spans; without a `url` it is OpenTelemetry's default."""
    if exporter == "console":
        return ConsoleSpanExporter()
    return OTLPSpanExporter(url)


class Traces:
    """Makes the spans of each job when it has ended, because only then its outcome is known.

    `mask` hides secrets outside of a job: the name and the port of a mail server may be some.
    """

    def __init__(self, exporter: SpanExporter, mask: Mask, *, version: str) -> None:
        self._mask = mask
        own = Resource.create({SERVICE_NAME: "camunda-email-worker", SERVICE_VERSION: version})
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first.
        resource = own.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("camunda-email-worker", version)

    def job_ended(self, report: JobReport) -> None:
        """Make the spans of a job."""
        epoch = _epoch_clock()
        job, trace = report.job, report.trace
        span = self._tracer.start_span(
            f"process {job.type}",
            kind=SpanKind.CONSUMER,
            start_time=epoch(report.started_at),
            attributes={
                "messaging.system": "camunda",
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.destination.name": job.type,
                "messaging.message.id": str(job.key),
                "camunda.operation": report.operation,
                "camunda.outcome": report.outcome_class,
                "camunda.bpmn_process_id": job.bpmn_process_id,
                "camunda.process_instance.key": str(job.process_instance_key),
                "camunda.element.id": job.element_id,
                "camunda.job.retries": job.retries,
                "email_worker.commands": trace.command_count,
                "email_worker.round_trips": trace.round_trips,
            },
        )
        if report.server:
            self._name_server(span, report.server)
        if not isinstance(report.outcome, Completed | Returned) or not report.is_settled:
            span.set_attribute("error.type", report.outcome_class)
            span.set_status(Status(StatusCode.ERROR))
        for step in trace.steps:
            self._draw(step, span, epoch)
        span.end(epoch(report.ended_at))

    async def close(self) -> None:
        """Send the remaining spans."""
        await asyncio.to_thread(self._provider.shutdown)

    def _draw(self, step: Step, parent: Span, epoch: Callable[[float], int]) -> None:
        protocol = step.protocol.value
        span = self._tracer.start_span(
            f"{protocol.upper()} {step.name}",
            context=set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            start_time=epoch(step.started_at),
            attributes={"network.protocol.name": protocol, "email_worker.commands": len(step.commands)},
        )
        self._name_server(span, step.server)
        span.end(epoch(step.ended_at))

    def _name_server(self, span: Span, server: str) -> None:
        host, _, port = server.rpartition(":")
        mask = current_mask(default=self._mask)
        span.set_attribute("server.address", mask.hide(host.strip("[]")))
        if mask.hide(port) == port:
            span.set_attribute("server.port", int(port))


def _epoch_clock() -> Callable[[float], int]:
    """Return a function from monotonic seconds to nanoseconds since 1970."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda monotonic_seconds: offset + int(monotonic_seconds * 1e9)
