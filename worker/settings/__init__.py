"""Everything configurable, read once from the environment and an env file, then frozen."""

from worker.settings.gateway import GatewaySettings, SignInStrategy, is_this_machine
from worker.settings.group import PREFIX, without_credentials
from worker.settings.table import Settings, read_environment, settings_fields
from worker.settings.traces import TraceSettings
from worker.settings.worker import LogFormat, LogLevel, WorkerSettings

__all__ = [
    "PREFIX",
    "GatewaySettings",
    "LogFormat",
    "LogLevel",
    "Settings",
    "SignInStrategy",
    "TraceSettings",
    "WorkerSettings",
    "is_this_machine",
    "read_environment",
    "settings_fields",
    "without_credentials",
]
