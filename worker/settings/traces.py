"""Whether traces are made."""

from __future__ import annotations

from pydantic import Field, field_validator

from worker.settings.group import SettingsGroup


class TraceSettings(SettingsGroup):
    """OpenTelemetry's usual variables as far as they turn traces on; its SDK reads the others itself."""

    endpoint: str | None = Field(
        None,
        alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="OpenTelemetry collector, such as `http://localhost:4318`; turns traces on.",
    )
    exporter: str | None = Field(
        None,
        alias="OTEL_TRACES_EXPORTER",
        description="`otlp` turns traces on too, `console` prints them, `none` turns them off.",
    )

    @field_validator("exporter")
    @classmethod
    def _is_one_we_have(cls, exporter: str | None) -> str | None:
        if exporter not in (None, "otlp", "console", "none"):
            raise ValueError(f"must be otlp, console or none; found {exporter!r}")
        return exporter

    @property
    def are_wanted(self) -> bool:
        """Whether traces shall be made."""
        return self.exporter != "none" and (self.endpoint or self.exporter) is not None
