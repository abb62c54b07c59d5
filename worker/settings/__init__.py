"""Everything configurable, read once from the environment and an env file, then frozen."""

from worker.settings.gateway import GatewaySettings
from worker.settings.group import PREFIX
from worker.settings.table import Settings, read_environment, settings_fields
from worker.settings.traces import TraceSettings
from worker.settings.worker import LogFormat, LogLevel, WorkerSettings

__all__ = [
    "PREFIX",
    "GatewaySettings",
    "LogFormat",
    "LogLevel",
    "Settings",
    "TraceSettings",
    "WorkerSettings",
    "read_environment",
    "settings_fields",
]
