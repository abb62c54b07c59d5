"""Everything configurable, read once from the environment and an env file, then frozen."""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from worker.documents.urls import UrlPattern
from worker.errors import InputError
from worker.mail.account import split_server_pattern
from worker.models.expectation import expectation

PREFIX = "EMAIL_WORKER_"
_READ_BY_THE_SANDBOX = {"EMAIL_WORKER_SANDBOX_CACHE"}
S = TypeVar("S", bound=BaseModel)
_SHOWN_CHARACTERS = 60
_ENCRYPTED_OR_LOCAL = re.compile(r"https:|http://(localhost|127(\.\d+){3}|\[::1\])([:/]|$)")


def _split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


class _Settings(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        hide_input_in_errors=True,
        extra="forbid",
        allow_inf_nan=False,
        str_strip_whitespace=True,
    )


class GatewaySettings(_Settings):
    """Camunda's usual client variables: which cluster, and how to sign in there."""

    address: str | None = Field(
        None, alias="ZEEBE_ADDRESS", description="Gateway as `host:port`; default `localhost:26500`."
    )
    insecure_connection: bool | None = Field(
        None,
        alias="ZEEBE_INSECURE_CONNECTION",
        description="`true`: no TLS. Default: TLS only with `https://`, a CA file, a client id or port 443.",
    )
    ca_certificate_path: Path | None = Field(
        None,
        alias="ZEEBE_CA_CERTIFICATE_PATH",
        description="PEM file of the authority that signed the gateway's certificate; turns TLS on.",
    )
    client_id: str | None = Field(
        None, alias="ZEEBE_CLIENT_ID", description="OAuth client id; turns OAuth on."
    )
    client_secret: SecretStr | None = Field(
        None, alias="ZEEBE_CLIENT_SECRET", description="OAuth client secret."
    )
    authorization_server_url: str = Field(
        "https://login.cloud.camunda.io/oauth/token",
        alias="ZEEBE_AUTHORIZATION_SERVER_URL",
        description="Token endpoint; the default is Camunda SaaS's.",
    )
    token_audience: str = Field(
        "zeebe.camunda.io", alias="ZEEBE_TOKEN_AUDIENCE", description="Audience of the token."
    )
    cluster_id: str | None = Field(
        None, alias="CAMUNDA_CLUSTER_ID", description="Camunda SaaS: id of the cluster."
    )
    cluster_region: str = Field(
        "bru-2", alias="CAMUNDA_CLUSTER_REGION", description="Camunda SaaS: region of the cluster."
    )
    rest_address: str | None = Field(
        None,
        alias="ZEEBE_REST_ADDRESS",
        description="The cluster's REST API, such as `http://localhost:8080`; needed for attachments only.",
    )
    tenant_ids: Names = Field(
        (), alias="CAMUNDA_TENANT_IDS", description="Tenants to take jobs from, comma-separated."
    )

    @field_validator("rest_address")
    @classmethod
    def _is_a_web_address(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", address):
            raise ValueError("must be a URL such as http://localhost:8080")
        return address

    @model_validator(mode="after")
    def _oauth_is_whole(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("ZEEBE_CLIENT_ID and ZEEBE_CLIENT_SECRET go together: set both or neither")
        if self.cluster_id is not None and self.client_id is None:
            raise ValueError("CAMUNDA_CLUSTER_ID (Camunda SaaS) also needs ZEEBE_CLIENT_ID and its secret")
        if self.client_id is not None and not self.is_encrypted:
            raise ValueError("ZEEBE_INSECURE_CONNECTION and OAuth (ZEEBE_CLIENT_ID) do not go together")
        if self.client_id is not None and not _is_safe_for_a_token(self.rest_address):
            raise ValueError(
                "ZEEBE_REST_ADDRESS must begin with https:// where OAuth (ZEEBE_CLIENT_ID) is used"
            )
        return self

    @property
    def target(self) -> str:
        """The gateway as `host:port`."""
        if self.address is not None:
            address = self.address.rpartition("://")[2].removesuffix("/")
            has_port = address.rpartition(":")[2].isdecimal()
            return address if has_port else f"{address}:{443 if self._asks_for_tls else 26500}"
        if self.cluster_id is not None:
            return f"{self.cluster_id}.{self.cluster_region}.zeebe.camunda.io:443"
        return "localhost:26500"

    @property
    def is_encrypted(self) -> bool:
        """Whether the way to the gateway is TLS."""
        if self.insecure_connection is not None:
            return not self.insecure_connection
        has_credentials = self.ca_certificate_path is not None or self.client_id is not None
        return self._asks_for_tls or has_credentials or self.target.endswith(":443")

    @property
    def _asks_for_tls(self) -> bool:
        return (self.address or "").startswith(("https://", "grpcs://"))


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


def _ours(name: str, default: Any, description: str, **bounds: Any) -> Any:
    return Field(default, alias=PREFIX + name, description=description, **bounds)


class WorkerSettings(_Settings):
    """What this worker may take, keep, wait for and say."""

    name: str = _ours("NAME", socket.gethostname(), "Name of this worker in Operate.")
    task_type_prefix: str | None = _ours(
        "TASK_TYPE_PREFIX",
        None,
        "Serve `<prefix>.email.smtp.send` and so on: for teams with a worker each on one cluster.",
    )
    cluster_name: str | None = _ours(
        "CLUSTER_NAME",
        None,
        "Part of each Message-ID: sets apart clusters whose job keys are alike. Default: the gateway.",
    )
    vendor_task_type: bool = _ours(
        "VENDOR_TASK_TYPE",
        False,  # noqa: FBT003 - the default, as of all settings
        "`true`: also serve `io.camunda:email:1`, for diagrams drawn with Camunda's own template.",
    )
    max_jobs: int = _ours("MAX_JOBS", 64, "Jobs worked on at once, over all task types.", ge=1, le=10_000)
    max_jobs_per_server: int = _ours(
        "MAX_JOBS_PER_SERVER", 32, "Of these, how many one mail server may hold.", ge=1
    )
    job_timeout_seconds: float = _ours(
        "JOB_TIMEOUT_SECONDS",
        60.0,
        "How long the engine waits for a sign of life from a job.",
        ge=1,
        le=86_400,
    )
    poll_timeout_seconds: float = _ours(
        "POLL_TIMEOUT_SECONDS", 30.0, "How long one request for jobs stays open.", ge=1, le=86_400
    )
    retry_backoff_seconds: float = _ours(
        "RETRY_BACKOFF_SECONDS", 10.0, "Pause before the first retry; doubles with each.", ge=0
    )
    shutdown_grace_seconds: float = _ours(
        "SHUTDOWN_GRACE_SECONDS", 20.0, "After SIGTERM, how long running jobs may go on.", ge=0
    )
    secret_prefix: str = _ours(
        "SECRET_PREFIX", "SECRET_", "`{{secrets.NAME}}` is this prefix and NAME in the environment."
    )
    secrets_dir: Path | None = _ours(
        "SECRETS_DIR", None, "Directory with one file a secret (Docker, Kubernetes)."
    )
    secret_fields: Names = _ours(
        "SECRET_FIELDS",
        ("authentication.*", "server.*"),
        "Fields in which secrets are put in, comma-separated patterns.",
    )
    allowed_servers: Names = _ours(
        "ALLOWED_SERVERS", (), "Mail servers that may be used: `host[:port]` patterns; default any."
    )
    tls_ca_file: Path | None = _ours(
        "TLS_CA_FILE", None, "PEM file of a further authority to trust for mail servers."
    )
    connect_timeout_seconds: float = _ours(
        "CONNECT_TIMEOUT_SECONDS", 15.0, "Mail server: TCP connection.", gt=0
    )
    tls_timeout_seconds: float = _ours("TLS_TIMEOUT_SECONDS", 15.0, "Mail server: TLS handshake.", gt=0)
    greeting_timeout_seconds: float = _ours(
        "GREETING_TIMEOUT_SECONDS", 30.0, "Mail server: its first line.", gt=0
    )
    login_timeout_seconds: float = _ours("LOGIN_TIMEOUT_SECONDS", 30.0, "Mail server: sign-in.", gt=0)
    command_timeout_seconds: float = _ours(
        "COMMAND_TIMEOUT_SECONDS", 60.0, "Mail server: any other command.", gt=0
    )
    transfer_timeout_seconds: float = _ours(
        "TRANSFER_TIMEOUT_SECONDS", 300.0, "Mail server: a whole message, there or back.", gt=0
    )
    max_sessions: int = _ours("MAX_SESSIONS", 64, "Open sessions by protocol, over all accounts.", ge=1)
    max_sessions_per_account: int = _ours("MAX_SESSIONS_PER_ACCOUNT", 8, "Open sessions by account.", ge=1)
    max_idle_seconds: float = _ours("MAX_IDLE_SECONDS", 60.0, "How long an unused session is kept.", ge=0)
    max_remembered_bytes: int = _ours(
        "MAX_REMEMBERED_BYTES",
        64 * 1024 * 1024,
        "What the headers and sort keys remembered of mailboxes may take, for IMAP and for POP3.",
        ge=0,
    )
    max_message_bytes: int = _ours(
        "MAX_MESSAGE_BYTES", 100 * 1024 * 1024, "Largest message that is read.", ge=1_000
    )
    max_attachment_bytes: int = _ours(
        "MAX_ATTACHMENT_BYTES",
        25 * 1024 * 1024,
        "What the attachments of an email to send may have together.",
        ge=1,
    )
    allowed_document_urls: Names = _ours(
        "ALLOWED_DOCUMENT_URLS",
        (),
        "Where attachments may come from beside the document store: patterns such as"
        " `https://files.example.com/invoices/*`; default nowhere.",
    )
    pop3_hold_seconds: float = _ours(
        "POP3_HOLD_SECONDS",
        60.0,
        "How long a mailbox stays locked while the engine takes the result of a read or delete.",
        gt=0,
    )
    max_result_bytes: int = _ours(
        "MAX_RESULT_BYTES",
        3_500_000,
        "Largest result, in bytes of JSON; the engine takes 4 MB in all.",
        ge=1_000,
    )
    health_host: str = _ours(
        "HEALTH_HOST",
        "0.0.0.0",  # noqa: S104 - probes and Prometheus come from outside of the container
        "Address of `/health/live`, `/health/ready` and `/metrics`; `::` where there is IPv6 alone.",
    )
    health_port: int = _ours(
        "HEALTH_PORT",
        8089,
        "Port of `/health/live`, `/health/ready` and `/metrics`; `0`: none.",
        ge=0,
        le=65_535,
    )
    log_format: LogFormat = _ours("LOG_FORMAT", LogFormat.AUTO, "`json`, `console`, or `auto` by terminal.")
    log_level: LogLevel = _ours("LOG_LEVEL", LogLevel.INFO, "`debug`, `info`, `warning` or `error`.")

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _whatever_the_case(cls, word: Any) -> Any:
        return word.strip().lower() if isinstance(word, str) else word

    @field_validator("allowed_servers")
    @classmethod
    def _patterns_can_be_read(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                split_server_pattern(pattern)
            except ValueError as error:
                raise ValueError(f"must hold host or host:port; found {pattern!r}") from error
        return patterns

    @field_validator("allowed_document_urls")
    @classmethod
    def _url_patterns_can_be_read(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                UrlPattern.parse(pattern)
            except ValueError as error:
                raise ValueError(f"{error}; found {pattern!r}") from error
        return patterns


class TraceSettings(_Settings):
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


class Settings(_Settings):
    """The whole table."""

    gateway: GatewaySettings
    worker: WorkerSettings
    traces: TraceSettings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all groups; InputError names the variable that is wrong, misspelt ones included."""
        given = {name: value for name, value in environment.items() if value.strip()}
        ours = {
            name: value
            for name, value in given.items()
            if name.startswith(PREFIX) and name not in _READ_BY_THE_SANDBOX
        }
        return cls(
            gateway=_read(GatewaySettings, {n: given[n] for n in _aliases(GatewaySettings) if n in given}),
            worker=_read(WorkerSettings, ours),
            traces=_read(TraceSettings, {n: given[n] for n in _aliases(TraceSettings) if n in given}),
        )


def read_environment(env_file: Path | None = None) -> dict[str, str]:
    """Return the process's environment over that of `env_file` (default: `.env` here, if it exists).

    Raises InputError where a named file cannot be read.
    """
    if env_file is not None and not env_file.is_file():
        raise InputError(f"The env file {env_file} does not exist.", field="--env-file")
    path = env_file or Path(".env")
    try:
        from_file = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The env file {path} cannot be read as text.", field="--env-file") from error
    return {name: value for name, value in from_file.items() if value is not None} | dict(os.environ)


def settings_fields() -> list[tuple[str, str, str]]:
    """Return (variable, default, description) for each setting, in the order of the table."""
    return [
        (str(info.alias), _shown(info.default, name), str(info.description))
        for model in (GatewaySettings, WorkerSettings, TraceSettings)
        for name, info in model.model_fields.items()
    ]


def _shown(default: Any, name: str) -> str:
    if name == "name":
        return "host name"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        default = ", ".join(default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default else ""


def _is_safe_for_a_token(address: str | None) -> bool:
    """Tell whether nobody on the way can read what is sent there; this machine itself is no way."""
    return address is None or _ENCRYPTED_OR_LOCAL.match(address) is not None


def _aliases(model: type[BaseModel]) -> list[str]:
    return [str(info.alias) for info in model.model_fields.values()]


def _read(model: type[S], values: Mapping[str, str]) -> S:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InputError(_sentence(model, name, first), field=name) from None


def _sentence(model: type[BaseModel], name: str, error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, _aliases(model), n=1, cutoff=0.0)
        return f"{name} is not a setting; did you mean {close[0]}?"
    expected = expectation(error)
    if not name:
        return f"{expected}."
    found = "" if "found" in expected else f"; found {str(error['input'])[:_SHOWN_CHARACTERS]!r}"
    return f"{name} {expected}{found}."
