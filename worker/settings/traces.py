"""Settings of OpenTelemetry traces."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from worker.settings.group import SettingsGroup

_TRACES_PATH = "/v1/traces"


class TraceSettings(SettingsGroup):
    """OpenTelemetry's variables that turn traces on; its SDK reads the others itself."""

    endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """OpenTelemetry collector, such as `http://localhost:4318`; turns traces on."""
    traces_endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    """The same, only for traces: the whole URL, such as `http://localhost:4318/v1/traces`."""
    headers: SecretStr | None = Field(None, alias="OTEL_EXPORTER_OTLP_HEADERS")
    """Headers for the collector, such as `api-key=…`; not read from `.env`."""
    traces_headers: SecretStr | None = Field(None, alias="OTEL_EXPORTER_OTLP_TRACES_HEADERS")
    """The same, only for traces."""
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

    @property
    def credentials(self) -> list[str]:
        """What OpenTelemetry's warnings may quote: each header, and user info and query of the URL."""
        given = [headers.get_secret_value() for headers in (self.headers, self.traces_headers) if headers]
        address, _, query = (self.url or "").rpartition("://")[2].partition("?")
        return [
            *(each.strip() for headers in given for each in headers.split(",")),
            address.rpartition("@")[0],
            query,
        ]
