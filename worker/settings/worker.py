"""Settings of the worker: jobs, secrets, mail servers, limits, health and logs."""

from __future__ import annotations

import re
import socket
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import field_validator

from worker.documents.urls import UrlPattern
from worker.mail.account import split_server_pattern
from worker.settings.gateway import is_this_machine
from worker.settings.group import Names, SettingsGroup, setting, without_credentials

_TASK_TYPE_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class LogFormat(StrEnum):
    """JSON for machines, console for people; auto chooses by whether a terminal is there."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least important lines to write."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class WorkerSettings(SettingsGroup):
    """Settings of the worker: jobs, secrets, mail servers, limits, health and logs."""

    name: str = setting("NAME", socket.gethostname(), "Name of this worker in Operate.")
    task_type_prefix: str | None = setting(
        "TASK_TYPE_PREFIX",
        None,
        "Serve `<prefix>.email.smtp.send` and so on: for teams that each run a worker on one cluster.",
    )
    operations: Names = setting(
        "OPERATIONS",
        ("*",),
        "Operations that this worker serves: patterns such as `imap.*, smtp.send`.",
    )
    max_sends_per_minute: int = setting(
        "MAX_SENDS_PER_MINUTE",
        0,
        "Emails that an account may send within a minute; more are sent later. `0`: no limit.",
        ge=0,
        le=100_000,
    )
    cluster_name: str | None = setting(
        "CLUSTER_NAME",
        None,
        "Part of each Message-ID: distinguishes clusters with equal job keys. Default: the gateway.",
    )
    vendor_task_type: bool = setting(
        "VENDOR_TASK_TYPE",
        False,  # noqa: FBT003 - the default, as of all settings
        "`true`: also serve `io.camunda:email:1`, for diagrams with Camunda's own email template.",
    )
    max_jobs: int = setting(
        "MAX_JOBS", 64, "Jobs that run at the same time, over all job types.", ge=1, le=10_000
    )
    max_jobs_per_server: int = setting(
        "MAX_JOBS_PER_SERVER",
        32,
        "How many of these may use one mail server that answers; the others wait.",
        ge=1,
    )
    job_timeout_seconds: float = setting(
        "JOB_TIMEOUT_SECONDS",
        60.0,
        "Job timeout; extended as long as the worker works on the job.",
        ge=1,
        le=86_400,
    )
    poll_timeout_seconds: float = setting(
        "POLL_TIMEOUT_SECONDS",
        30.0,
        "Long polling: how long one request for jobs stays open.",
        ge=1,
        le=86_400,
    )
    retry_backoff_seconds: float = setting(
        "RETRY_BACKOFF_SECONDS",
        30.0,
        "Retry backoff before the first retry; each further one is 16 times as long, at most an hour.",
        ge=0,
    )
    smtp_helo_name: str | None = setting(
        "SMTP_HELO_NAME",
        None,
        "The worker's name for SMTP servers (EHLO); default the machine's full name if it has one, else its"
        " address.",
        pattern=r"^(?:[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[[A-Za-z0-9.:]{2,60}\])$",
    )
    shutdown_grace_seconds: float = setting(
        "SHUTDOWN_GRACE_SECONDS", 20.0, "How long running jobs may continue after SIGTERM.", ge=0
    )
    secret_prefix: str = setting(
        "SECRET_PREFIX",
        "SECRET_",
        "`{{secrets.NAME}}` is read from the environment variable with this prefix and NAME.",
    )
    secrets_dir: Path | None = setting(
        "SECRETS_DIR", None, "Directory with one file per secret (Docker, Kubernetes)."
    )
    secret_fields: Names = setting(
        "SECRET_FIELDS",
        ("authentication.*", "server.*"),
        "Fields in which secrets are resolved: comma-separated patterns.",
    )
    allowed_servers: Names = setting(
        "ALLOWED_SERVERS", (), "Mail servers that may be used: `host[:port]` patterns; default any."
    )
    tls_ca_file: Path | None = setting(
        "TLS_CA_FILE", None, "PEM file of an additional certificate authority to trust for mail servers."
    )
    connect_timeout_seconds: float = setting(
        "CONNECT_TIMEOUT_SECONDS", 15.0, "Mail server: TCP connection.", gt=0
    )
    tls_timeout_seconds: float = setting("TLS_TIMEOUT_SECONDS", 15.0, "Mail server: TLS handshake.", gt=0)
    greeting_timeout_seconds: float = setting(
        "GREETING_TIMEOUT_SECONDS", 30.0, "Mail server: first line of the server.", gt=0
    )
    login_timeout_seconds: float = setting("LOGIN_TIMEOUT_SECONDS", 30.0, "Mail server: sign-in.", gt=0)
    command_timeout_seconds: float = setting(
        "COMMAND_TIMEOUT_SECONDS", 60.0, "Mail server: any other command.", gt=0
    )
    transfer_timeout_seconds: float = setting(
        "TRANSFER_TIMEOUT_SECONDS",
        300.0,
        "Mail server: transfer of a whole message; answers that grow with the mailbox (LIST, SEARCH, SORT,"
        " FETCH, MOVE, COPY; LIST, UIDL, TOP of POP3); a whole IMAP or POP3 operation.",
        gt=0,
    )
    max_sessions: int = setting("MAX_SESSIONS", 64, "Open sessions per protocol, over all accounts.", ge=1)
    max_sessions_per_account: int = setting("MAX_SESSIONS_PER_ACCOUNT", 8, "Open sessions per account.", ge=1)
    max_idle_seconds: float = setting("MAX_IDLE_SECONDS", 60.0, "How long an unused session is kept.", ge=0)
    max_remembered_bytes: int = setting(
        "MAX_REMEMBERED_BYTES",
        64 * 1024 * 1024,
        "Memory per protocol for remembered sort keys (IMAP) and headers (POP3).",
        ge=0,
    )
    max_message_bytes: int = setting(
        "MAX_MESSAGE_BYTES", 100 * 1024 * 1024, "Largest message that is read.", ge=1_000
    )
    max_attachment_bytes: int = setting(
        "MAX_ATTACHMENT_BYTES",
        25 * 1024 * 1024,
        "Largest total size of the attachments of an email to send.",
        ge=1,
    )
    allowed_document_urls: Names = setting(
        "ALLOWED_DOCUMENT_URLS",
        (),
        "URLs from which attachments may be fetched: patterns such as"
        " `https://files.example.com/invoices/*`; default none.",
    )
    allowed_token_endpoints: Names = setting(
        "ALLOWED_TOKEN_ENDPOINTS",
        ("https://login.microsoftonline.com/*/oauth2/v2.0/token", "https://oauth2.googleapis.com/token"),
        "Where access tokens for mail servers may be fetched: URL patterns; `http` only for this machine.",
    )
    pop3_hold_seconds: float = setting(
        "POP3_HOLD_SECONDS",
        60.0,
        "Longest time that a mailbox stays locked until Camunda has stored the result of a read or delete.",
        gt=0,
    )
    max_result_bytes: int = setting(
        "MAX_RESULT_BYTES",
        2_000_000,
        "Largest result, in bytes of JSON. Camunda stores it twice and accepts 4 MB in total.",
        ge=1_000,
    )
    health_host: str = setting(
        "HEALTH_HOST",
        "0.0.0.0",  # noqa: S104 - probes and Prometheus come from outside of the container
        "Address of `/health/live`, `/health/ready` and `/metrics`; `::` for IPv6 only.",
    )
    health_port: int = setting(
        "HEALTH_PORT",
        8089,
        "Port of `/health/live`, `/health/ready` and `/metrics`; `0`: none.",
        ge=0,
        le=65_535,
    )
    log_format: LogFormat = setting("LOG_FORMAT", LogFormat.AUTO, "`json`, `console`, or `auto` by terminal.")
    log_level: LogLevel = setting("LOG_LEVEL", LogLevel.INFO, "`debug`, `info`, `warning` or `error`.")

    log_error_messages: bool = setting(
        "LOG_ERROR_MESSAGES",
        True,  # noqa: FBT003 - the default, as of all settings
        "`false`: log failed jobs without their messages, which may quote variables and mail servers.",
    )

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _whatever_the_case(cls, word: Any) -> Any:
        return word.strip().lower() if isinstance(word, str) else word

    @field_validator("task_type_prefix")
    @classmethod
    def _is_a_prefix(cls, prefix: str | None) -> str | None:
        return prefix and check_task_type_prefix(prefix)

    @field_validator("allowed_servers")
    @classmethod
    def _patterns_can_be_read(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                split_server_pattern(pattern)
            except ValueError as error:
                raise ValueError(
                    f"must be host or host:port; found {without_credentials(pattern)!r}"
                ) from error
        return patterns

    @field_validator("allowed_token_endpoints")
    @classmethod
    def _endpoints_are_encrypted(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not (pattern.lower().startswith("https://") or is_this_machine(pattern)):
                found = without_credentials(pattern)
                raise ValueError(f"must begin with https://, unless it is this machine; found {found!r}")
        return patterns

    @field_validator("allowed_document_urls", "allowed_token_endpoints")
    @classmethod
    def _url_patterns_can_be_read(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                UrlPattern.parse(pattern)
            except ValueError as error:
                raise ValueError(f"{error}; found {without_credentials(pattern)!r}") from error
        return patterns


def check_task_type_prefix(prefix: str) -> str:
    """Return a valid prefix of job types and template ids; raises ValueError for any other text."""
    if not _TASK_TYPE_PREFIX.fullmatch(prefix):
        raise ValueError(f"must have letters, digits, - and _ only, with dots between them; found {prefix!r}")
    return prefix
