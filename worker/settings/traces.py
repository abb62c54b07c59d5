"""Settings of OpenTelemetry traces."""

from __future__ import annotations

from pydantic import Field, field_validator

from worker.settings.group import SettingsGroup

_TRACES_PATH = "/v1/traces"


class TraceSettings(SettingsGroup):
    """OpenTelemetry's variables that turn traces on; its SDK reads the others itself."""

    endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """OpenTelemetry collector, such as `http://localhost:4318`; turns traces on."""
    traces_endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    """The same, only for traces: the whole URL, such as `http://localhost:4318/v1/traces`."""
    exporter: str | None = Field(None, alias="OTEL_TRACES_EXPORTER")
    """`otlp` turns traces on too, `console` prints them, `none` turns them off."""

    @field_validator("exporter")
    @classmethod
    def _is_one_we_have(cls, exporter: str | None) -> str | None:
        if exporter not in (None, "otlp", "console", "none"):
            raise ValueError(f"must be otlp, console or none; found {exporter!r}")
        return exporter

    @property
    def are_wanted(self) -> bool:
        """Whether traces are turned on."""
        return self.exporter != "none" and (self.url or self.exporter) is not None

    @property
    def url(self) -> str | None:
        """The URL for spans, or None for OpenTelemetry's own default."""
        if self.traces_endpoint is not None:
            return self.traces_endpoint
        return self.endpoint and self.endpoint.rstrip("/") + _TRACES_PATH
