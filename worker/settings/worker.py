"""Settings of the worker: jobs, secrets, mail servers, limits, health and logs."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from worker.documents.urls import UrlPattern
from worker.mail.account import split_server_pattern
from worker.models.base import read_host
from worker.settings.gateway import is_this_machine
from worker.settings.group import PREFIX, Names, PathSetting, SettingsGroup, without_credentials

# Larger numbers mean "no limit", and sockets and clocks cannot count so far.
_DAY_SECONDS = 86_400
_MOST = 100_000
_MOST_BYTES = 1024**4
_ADDRESS_LITERAL = re.compile(r"\[[A-Za-z0-9.:]{2,60}\]")
_TASK_TYPE_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def check_task_type_prefix(prefix: str) -> str:
    """Return a valid prefix of job types and template ids; raises ValueError for any other text."""
    if not _TASK_TYPE_PREFIX.fullmatch(prefix):
        raise ValueError(f"must have letters, digits, - and _ only, with dots between them; found {prefix!r}")
    return prefix


def _each(check: Callable[[str], object]) -> AfterValidator:
    """Return what checks each of several patterns, and shows a wrong one without its credentials."""

    def check_all(patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                check(pattern)
            except ValueError as error:
                raise ValueError(f"{error}; found {without_credentials(pattern)!r}") from error
        return patterns

    return AfterValidator(check_all)


def _check_server(pattern: str) -> None:
    try:
        split_server_pattern(pattern)
    except ValueError as error:
        raise ValueError("must be host or host:port") from error


def _check_token_endpoint(pattern: str) -> None:
    if not (pattern.lower().startswith("https://") or is_this_machine(pattern)):
        raise ValueError("must begin with https://, unless it is this machine")
    UrlPattern.parse(pattern)


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

    model_config = ConfigDict(alias_generator=lambda name: PREFIX + name.upper())

    name: str = socket.gethostname()
    """Name of this worker in Operate."""
    task_type_prefix: Annotated[str, AfterValidator(check_task_type_prefix)] | None = None
    """Serve `<prefix>.email.smtp.send` and so on: for teams that each run a worker on one cluster."""
    operations: Names = ("*",)
    """Operations that this worker serves: patterns such as `imap.*, smtp.send`."""
    max_sends_per_minute: int = Field(0, ge=0, le=_MOST)
    """Emails that an account may send within a minute; more are sent later. `0`: no limit."""
    cluster_name: str | None = None
    """Part of each Message-ID: distinguishes clusters with equal job keys. Default: the gateway."""
    vendor_task_type: bool = False
    """`true`: also serve `io.camunda:email:1`, for diagrams with Camunda's own email template."""
    max_jobs: int = Field(64, ge=1, le=10_000)
    """Jobs that run at the same time, over all job types."""
    max_jobs_per_server: int = Field(32, ge=1, le=_MOST)
    """How many of these may use one mail server that answers; the others wait."""
    job_timeout_seconds: float = Field(60.0, ge=1, le=_DAY_SECONDS)
    """Job timeout; extended as long as the worker works on the job."""
    poll_timeout_seconds: float = Field(30.0, ge=1, le=_DAY_SECONDS)
    """Long polling: how long one request for jobs stays open."""
    retry_backoff_seconds: float = Field(30.0, ge=0, le=_DAY_SECONDS)
    """Retry backoff before the first retry; each further one is 16 times as long, at most an hour."""
    smtp_helo_name: str | None = None
    """The worker's name for SMTP servers (EHLO); default the machine's full name if it has one, else its
    address."""
    shutdown_grace_seconds: float = Field(20.0, ge=0, le=_DAY_SECONDS)
    """How long running jobs may continue after SIGTERM."""
    secret_prefix: str = "SECRET_"  # noqa: S105 - a prefix
    """`{{secrets.NAME}}` is read from the environment variable with this prefix and NAME."""
    secrets_dir: PathSetting | None = None
    """Directory with one file per secret (Docker, Kubernetes)."""
    secret_fields: Names = ("authentication.*", "server.*")
    """Fields in which secrets are resolved: comma-separated patterns."""
    allowed_servers: Annotated[Names, _each(_check_server)] = ()
    """Mail servers that may be used: `host[:port]` patterns; default any."""
    tls_ca_file: PathSetting | None = None
    """PEM file of an additional certificate authority to trust for mail servers."""
    connect_timeout_seconds: float = Field(15.0, gt=0, le=_DAY_SECONDS)
    """Mail server: TCP connection."""
    tls_timeout_seconds: float = Field(15.0, gt=0, le=_DAY_SECONDS)
    """Mail server: TLS handshake."""
    greeting_timeout_seconds: float = Field(30.0, gt=0, le=_DAY_SECONDS)
    """Mail server: first line of the server."""
    login_timeout_seconds: float = Field(30.0, gt=0, le=_DAY_SECONDS)
    """Mail server: sign-in."""
    command_timeout_seconds: float = Field(60.0, gt=0, le=_DAY_SECONDS)
    """Mail server: any other command."""
    transfer_timeout_seconds: float = Field(300.0, gt=0, le=_DAY_SECONDS)
    """Mail server: transfer of a whole message; answers that grow with the mailbox (LIST, SEARCH, SORT,
    FETCH, MOVE, COPY; LIST, UIDL, TOP of POP3); a whole IMAP or POP3 operation."""
    max_sessions: int = Field(64, ge=1, le=_MOST)
    """Open sessions per protocol, over all accounts."""
    max_sessions_per_account: int = Field(8, ge=1, le=_MOST)
    """Open sessions per account."""
    max_idle_seconds: float = Field(60.0, ge=0, le=_DAY_SECONDS)
    """How long an unused session is kept."""
    max_remembered_bytes: int = Field(64 * 1024 * 1024, ge=0, le=_MOST_BYTES)
    """Memory per protocol for remembered sort keys (IMAP) and headers (POP3)."""
    max_message_bytes: int = Field(100 * 1024 * 1024, ge=1_000, le=_MOST_BYTES)
    """Largest message that is read."""
    max_attachment_bytes: int = Field(25 * 1024 * 1024, ge=1, le=_MOST_BYTES)
    """Largest total size of the attachments of an email to send."""
    allowed_document_urls: Annotated[Names, _each(UrlPattern.parse)] = ()
    """URLs from which attachments may be fetched: patterns such as
    `https://files.example.com/invoices/*`; default none."""
    allowed_token_endpoints: Annotated[Names, _each(_check_token_endpoint)] = (
        "https://login.microsoftonline.com/*/oauth2/v2.0/token",
        "https://oauth2.googleapis.com/token",
    )
    """Where access tokens for mail servers may be fetched: URL patterns; `http` only for this machine."""
    pop3_hold_seconds: float = Field(60.0, gt=0, le=_DAY_SECONDS)
    """Longest time that a mailbox stays locked until Camunda has stored the result of a read or delete."""
    max_result_bytes: int = Field(2_000_000, ge=1_000, le=_MOST_BYTES)
    """Largest result, in bytes of JSON. Camunda stores it twice and accepts 4 MB in total."""
    health_host: str = "0.0.0.0"  # noqa: S104 - probes and Prometheus come from outside of the container
    """Address of `/health/live`, `/health/ready` and `/metrics`; `::` for IPv6 only."""
    health_port: int = Field(8089, ge=0, le=65_535)
    """Port of `/health/live`, `/health/ready` and `/metrics`; `0`: none."""
    log_format: LogFormat = LogFormat.AUTO
    """`json`, `console`, or `auto` by terminal."""
    log_level: LogLevel = LogLevel.INFO
    """`debug`, `info`, `warning` or `error`."""
    log_error_messages: bool = True
    """`false`: log failed jobs without their messages, which may quote variables and mail servers."""

    @field_validator("operations", "allowed_servers")
    @classmethod
    def _names_one(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        # No operation would serve nothing, and no server would allow all.
        if not names:
            raise ValueError("must name at least one")
        return names

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _whatever_the_case(cls, word: Any) -> Any:
        return word.strip().lower() if isinstance(word, str) else word

    @field_validator("smtp_helo_name")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        return name if name is None or _ADDRESS_LITERAL.fullmatch(name) else read_host(name)
