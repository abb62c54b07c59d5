from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.app import served_task_types
from worker.errors import InputError
from worker.operations.catalogue import BY_TASK_TYPE
from worker.settings import LogFormat, LogLevel, Settings, read_environment, settings_fields

CLIENT = {"ZEEBE_CLIENT_ID": "worker", "ZEEBE_CLIENT_SECRET": "t0ps3cret"}


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(InputError) as caught:
        Settings.from_environment(environment)
    return caught.value.message


@pytest.mark.parametrize(
    ("environment", "target", "is_encrypted"),
    [
        ({}, "localhost:26500", False),
        ({"ZEEBE_ADDRESS": "zeebe:26500"}, "zeebe:26500", False),
        ({"ZEEBE_ADDRESS": " zeebe:26500\r"}, "zeebe:26500", False),
        ({"ZEEBE_ADDRESS": "http://zeebe:26500"}, "zeebe:26500", False),
        ({"ZEEBE_ADDRESS": "grpc://zeebe:26500/"}, "zeebe:26500", False),
        ({"ZEEBE_ADDRESS": "zeebe"}, "zeebe:26500", False),
        ({"ZEEBE_ADDRESS": "https://zeebe.example.com/"}, "zeebe.example.com:443", True),
        ({"ZEEBE_ADDRESS": "[::1]:26500"}, "[::1]:26500", False),
        ({"ZEEBE_ADDRESS": "[::1]"}, "[::1]:26500", False),
        ({"ZEEBE_ADDRESS": "https://zeebe:26500"}, "zeebe:26500", True),
        ({"ZEEBE_ADDRESS": "grpcs://zeebe:26500"}, "zeebe:26500", True),
        ({"ZEEBE_ADDRESS": "zeebe.example.com:443"}, "zeebe.example.com:443", True),
        ({"ZEEBE_ADDRESS": "zeebe:26500", "ZEEBE_CA_CERTIFICATE_PATH": "/ca.pem"}, "zeebe:26500", True),
        ({"ZEEBE_ADDRESS": "zeebe:26500", "ZEEBE_INSECURE_CONNECTION": "false"}, "zeebe:26500", True),
        ({"ZEEBE_ADDRESS": "zeebe:443", "ZEEBE_INSECURE_CONNECTION": "true"}, "zeebe:443", False),
        ({"ZEEBE_ADDRESS": "zeebe:26500", **CLIENT}, "zeebe:26500", True),
        ({"CAMUNDA_CLUSTER_ID": "c1", **CLIENT}, "c1.bru-2.zeebe.camunda.io:443", True),
        (
            {"CAMUNDA_CLUSTER_ID": "c1", "CAMUNDA_CLUSTER_REGION": "sin-1", **CLIENT},
            "c1.sin-1.zeebe.camunda.io:443",
            True,
        ),
        ({"CAMUNDA_CLUSTER_ID": "c1", "ZEEBE_ADDRESS": "own:26500", **CLIENT}, "own:26500", True),
    ],
)
def test_camundas_client_variables_choose_the_gateway(
    environment: dict[str, str], target: str, is_encrypted: bool
) -> None:
    gateway = Settings.from_environment(environment).gateway
    assert (gateway.target, gateway.is_encrypted) == (target, is_encrypted)


def test_a_self_managed_sign_in_is_read_whole() -> None:
    gateway = Settings.from_environment(
        {
            **CLIENT,
            "ZEEBE_AUTHORIZATION_SERVER_URL": "https://id.example.com/token",
            "ZEEBE_TOKEN_AUDIENCE": "zeebe-api",
            "CAMUNDA_TENANT_IDS": "red, blue,,",
        }
    ).gateway
    assert gateway.authorization_server_url == "https://id.example.com/token"
    assert gateway.token_audience == "zeebe-api"
    assert gateway.tenant_ids == ("red", "blue")
    assert gateway.client_secret is not None
    assert gateway.client_secret.get_secret_value() == "t0ps3cret"


@pytest.mark.parametrize("missing", list(CLIENT))
def test_half_a_client_is_refused(missing: str) -> None:
    half = {name: value for name, value in CLIENT.items() if name != missing}
    message = refusal(half)
    assert message == "ZEEBE_CLIENT_ID and ZEEBE_CLIENT_SECRET go together: set both or neither."


@pytest.mark.parametrize("prefix", ["my team", "sales.", "../sales"])
def test_a_prefix_that_no_template_could_have_is_refused(prefix: str) -> None:
    assert refusal({"EMAIL_WORKER_TASK_TYPE_PREFIX": prefix}) == (
        "EMAIL_WORKER_TASK_TYPE_PREFIX must have letters, digits, - and _ only, with dots between them;"
        f" found {prefix!r}."
    )
    settings = Settings.from_environment({"EMAIL_WORKER_TASK_TYPE_PREFIX": "sales.north"})
    assert settings.worker.task_type_prefix == "sales.north"


def test_a_saas_cluster_without_a_client_is_refused() -> None:
    assert "also needs ZEEBE_CLIENT_ID" in refusal({"CAMUNDA_CLUSTER_ID": "c1"})


def test_a_token_is_never_sent_in_clear_text() -> None:
    message = refusal({**CLIENT, "ZEEBE_INSECURE_CONNECTION": "true"})
    assert message == "ZEEBE_INSECURE_CONNECTION and OAuth (ZEEBE_CLIENT_ID) do not go together."


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_counts_as_not_given(blank: str) -> None:
    names = [name for name, _, _ in settings_fields()]
    assert Settings.from_environment(dict.fromkeys(names, blank)) == Settings.from_environment({})


def test_without_any_variable_the_defaults_apply() -> None:
    worker = Settings.from_environment({}).worker
    assert (worker.max_jobs, worker.max_jobs_per_server) == (64, 32)
    assert worker.secret_fields == ("authentication.*", "server.*")
    assert worker.allowed_servers == ()
    assert worker.log_level is LogLevel.INFO


def test_each_setting_is_read_from_its_variable() -> None:
    worker = Settings.from_environment(
        {
            "EMAIL_WORKER_MAX_JOBS": " 7 ",
            "EMAIL_WORKER_JOB_TIMEOUT_SECONDS": "2.5",
            "EMAIL_WORKER_SECRETS_DIR": "/run/secrets",
            "EMAIL_WORKER_SECRET_FIELDS": "authentication.password , *",
            "EMAIL_WORKER_ALLOWED_SERVERS": "*.example.com:587,[::1]:25,localhost",
            "EMAIL_WORKER_LOG_FORMAT": "JSON",
            "EMAIL_WORKER_LOG_LEVEL": "Debug",
        }
    ).worker
    assert worker.max_jobs == 7
    assert worker.job_timeout_seconds == 2.5
    assert worker.secrets_dir == Path("/run/secrets")
    assert worker.secret_fields == ("authentication.password", "*")
    assert worker.allowed_servers == ("*.example.com:587", "[::1]:25", "localhost")
    assert (worker.log_format, worker.log_level) == (LogFormat.JSON, LogLevel.DEBUG)


@pytest.mark.parametrize(
    ("misspelt", "right"),
    [
        ("EMAIL_WORKER_MAX_JOB", "EMAIL_WORKER_MAX_JOBS"),
        ("EMAIL_WORKER_MAXJOBS", "EMAIL_WORKER_MAX_JOBS"),
        ("EMAIL_WORKER_MAX_JOBS_BY_SERVER", "EMAIL_WORKER_MAX_JOBS_PER_SERVER"),
        ("EMAIL_WORKER_TLS_CA", "EMAIL_WORKER_TLS_CA_FILE"),
        ("EMAIL_WORKER_SECRET_DIR", "EMAIL_WORKER_SECRETS_DIR"),
        ("EMAIL_WORKER_ALLOWED_SERVER", "EMAIL_WORKER_ALLOWED_SERVERS"),
        ("EMAIL_WORKER_SHUTDOWN_GRACE", "EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS"),
        ("EMAIL_WORKER_LOGLEVEL", "EMAIL_WORKER_LOG_LEVEL"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_right_one(misspelt: str, right: str) -> None:
    assert refusal({misspelt: "hunter2"}) == f"{misspelt} is not a setting; did you mean {right}?"


@pytest.mark.parametrize(
    ("name", "value", "setting", "read"),
    [
        ("CAMUNDA_GRPC_ADDRESS", "https://zeebe.example.com", "target", "zeebe.example.com:443"),
        ("ZEEBE_GRPC_ADDRESS", "grpcs://zeebe.example.com", "target", "zeebe.example.com:443"),
        ("CAMUNDA_REST_ADDRESS", "http://localhost:8080", "rest_address", "http://localhost:8080"),
        ("CAMUNDA_INSECURE_CONNECTION", "false", "is_encrypted", True),
        ("CAMUNDA_MTLS_CA_PATH", "/ca.pem", "ca_certificate_path", Path("/ca.pem")),
        ("CAMUNDA_CA_CERTIFICATE_PATH", "/ca.pem", "ca_certificate_path", Path("/ca.pem")),
        ("CAMUNDA_CUSTOM_ROOT_CERT_PATH", "/ca.pem", "is_encrypted", True),
        ("CAMUNDA_OAUTH_URL", "https://id/token", "authorization_server_url", "https://id/token"),
        ("CAMUNDA_AUTHORIZATION_SERVER_URL", "https://id", "authorization_server_url", "https://id"),
        ("CAMUNDA_TOKEN_AUDIENCE", "zeebe-api", "token_audience", "zeebe-api"),
        ("CAMUNDA_ZEEBE_OAUTH_AUDIENCE", "zeebe-api", "token_audience", "zeebe-api"),
        ("ZEEBE_TOKEN_SCOPE", "a/.default", "token_scope", "a/.default"),
        ("CAMUNDA_TOKEN_SCOPE", "a/.default", "token_scope", "a/.default"),
        ("CAMUNDA_OAUTH_SCOPE", "a/.default", "token_scope", "a/.default"),
        ("CAMUNDA_TENANT_ID", "red", "tenant_ids", ("red",)),
        ("CAMUNDA_CLIENT_TENANTID", "red", "tenant_ids", ("red",)),
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_TENANTIDS", "red,blue", "tenant_ids", ("red", "blue")),
        ("CAMUNDA_CLIENT_GRPCADDRESS", "http://zeebe:26500", "target", "zeebe:26500"),
        ("CAMUNDA_CLIENT_RESTADDRESS", "http://localhost:8080", "rest_address", "http://localhost:8080"),
        ("ZEEBE_CLIENT_SECURITY_PLAINTEXT", "true", "insecure_connection", True),
        ("CAMUNDA_CLIENT_AUTH_TOKENURL", "https://id/token", "authorization_server_url", "https://id/token"),
        ("CAMUNDA_DEFAULT_TENANT_ID", "red", "tenant_ids", ("red",)),
        ("ZEEBE_DEFAULT_TENANT_ID", "red", "tenant_ids", ("red",)),
        ("CAMUNDA_DEFAULT_JOB_WORKER_TENANT_IDS", "red,blue", "tenant_ids", ("red", "blue")),
        ("CAMUNDA_CLIENT_CLOUD_REGION", "sin-1", "cluster_region", "sin-1"),
    ],
)
def test_a_setting_is_read_by_every_name_that_camundas_clients_have_for_it(
    name: str, value: str, setting: str, read: object
) -> None:
    assert getattr(Settings.from_environment({name: value}).gateway, setting) == read


def test_of_several_names_the_newest_wins() -> None:
    gateway = Settings.from_environment(
        {
            "ZEEBE_ADDRESS": "old:1",
            "ZEEBE_GRPC_ADDRESS": "newer:1",
            "CAMUNDA_GRPC_ADDRESS": "newest:1",
            "CAMUNDA_TENANT_ID": "red",
            "CAMUNDA_TENANT_IDS": "blue,green",
        }
    ).gateway
    assert (gateway.target, gateway.tenant_ids) == ("newest:1", ("blue", "green"))


def test_an_error_names_the_variable_as_it_is_given() -> None:
    assert refusal({"CAMUNDA_REST_ADDRESS": "x"}).startswith("CAMUNDA_REST_ADDRESS must be a URL")


USER = {"CAMUNDA_BASIC_AUTH_USERNAME": "demo", "CAMUNDA_BASIC_AUTH_PASSWORD": "t0ps3cret"}


@pytest.mark.parametrize(
    ("environment", "strategy"),
    [
        ({}, "NONE"),
        (USER, "BASIC"),
        (CLIENT, "OAUTH"),
        ({"CAMUNDA_CLIENT_ID": "a", "CAMUNDA_CLIENT_SECRET": "b"}, "OAUTH"),
        ({"CAMUNDA_CLIENT_AUTH_CLIENTID": "a", "CAMUNDA_CLIENT_AUTH_CLIENTSECRET": "b"}, "OAUTH"),
        ({**USER, **CLIENT, "CAMUNDA_AUTH_STRATEGY": "basic"}, "BASIC"),
        ({"CAMUNDA_CLIENT_AUTH_USERNAME": "a", "CAMUNDA_CLIENT_AUTH_PASSWORD": "b"}, "BASIC"),
        ({**CLIENT, "CAMUNDA_CLIENT_AUTH_METHOD": "oidc"}, "OAUTH"),
        ({**USER, **CLIENT, "CAMUNDA_AUTH_STRATEGY": "OAUTH"}, "OAUTH"),
        ({**CLIENT, "CAMUNDA_AUTH_STRATEGY": "NONE"}, "NONE"),
    ],
)
def test_the_strategy_is_what_is_said_or_follows_from_the_credentials(
    environment: dict[str, str], strategy: str
) -> None:
    assert Settings.from_environment(environment).gateway.strategy == strategy


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({**USER, **CLIENT}, "ZEEBE_CLIENT_ID and CAMUNDA_BASIC_AUTH_USERNAME are two ways to sign in"),
        ({"CAMUNDA_AUTH_STRATEGY": "OAUTH"}, "also needs ZEEBE_CLIENT_ID and ZEEBE_CLIENT_SECRET"),
        ({"CAMUNDA_AUTH_STRATEGY": "BASIC"}, "also needs CAMUNDA_BASIC_AUTH_USERNAME and CAMUNDA_BASIC_"),
        ({"CAMUNDA_AUTH_STRATEGY": "COOKIE"}, "must be 'NONE', 'BASIC' or 'OAUTH'; found 'COOKIE'"),
        ({"CAMUNDA_BASIC_AUTH_USERNAME": "demo"}, "go together: set both or neither"),
        ({"CAMUNDA_BASIC_AUTH_PASSWORD": "t0ps3cret"}, "go together: set both or neither"),
        ({**USER, "CAMUNDA_BASIC_AUTH_USERNAME": "a:b"}, "CAMUNDA_BASIC_AUTH_USERNAME must not contain a"),
        ({"CAMUNDA_MTLS_CERT_PATH": "/c"}, "CAMUNDA_MTLS_CERT_PATH and CAMUNDA_MTLS_KEY_PATH go together"),
        ({**USER, "CAMUNDA_CLUSTER_ID": "c1"}, "CAMUNDA_CLUSTER_ID (Camunda SaaS) also needs"),
        ({"CAMUNDA_CLIENT_AUTH_USERNAME": "a"}, "CAMUNDA_CLIENT_AUTH_USERNAME and CAMUNDA_BASIC_AUTH_PASS"),
        (
            {"CAMUNDA_GRPC_ADDRESS": "https://zeebe", "ZEEBE_INSECURE_CONNECTION": "true"},
            "ZEEBE_INSECURE_CONNECTION (no TLS) and https:// in CAMUNDA_GRPC_ADDRESS do not go together.",
        ),
        ({"CAMUNDA_TENANT_ID": " , "}, "CAMUNDA_TENANT_ID must name at least one tenant"),
    ],
)
def test_contradicting_settings_are_refused(environment: dict[str, str], sentence: str) -> None:
    message = refusal(environment)
    assert sentence in message
    assert "t0ps3cret" not in message


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        (
            {**CLIENT, "ZEEBE_AUTHORIZATION_SERVER_URL": "http://id.example.com/token"},
            "ZEEBE_AUTHORIZATION_SERVER",
        ),
        ({**CLIENT, "CAMUNDA_OAUTH_URL": "http://localhost.example.com/token"}, "CAMUNDA_OAUTH_URL"),
        ({**CLIENT, "CAMUNDA_OAUTH_URL": "http://127.0.0.1.example.com/"}, "CAMUNDA_OAUTH_URL"),
        ({**CLIENT, "ZEEBE_ADDRESS": "http://zeebe:26500"}, "ZEEBE_ADDRESS"),
        ({**USER, "ZEEBE_ADDRESS": "zeebe:26500"}, "ZEEBE_ADDRESS"),
        ({**USER, "ZEEBE_REST_ADDRESS": "http://zeebe:8080"}, "ZEEBE_REST_ADDRESS"),
    ],
)
def test_credentials_are_not_sent_in_clear_text_to_another_machine(
    environment: dict[str, str], name: str
) -> None:
    message = refusal(environment)
    assert message.startswith(name)
    assert "must begin with https://" in message


@pytest.mark.parametrize(
    "environment",
    [
        {**CLIENT, "ZEEBE_AUTHORIZATION_SERVER_URL": "http://localhost:18080/token"},
        {**CLIENT, "ZEEBE_AUTHORIZATION_SERVER_URL": "http://[::1]:18080/token"},
        {**CLIENT, "ZEEBE_ADDRESS": "http://localhost:26500"},
        {**USER, "ZEEBE_ADDRESS": "localhost:26500", "ZEEBE_REST_ADDRESS": "http://127.0.0.1:8080"},
        {
            **USER,
            "ZEEBE_ADDRESS": "camunda-zeebe-gateway:26500",
            "ZEEBE_REST_ADDRESS": "http://camunda-zeebe-gateway:8080",
            "ZEEBE_INSECURE_CONNECTION": "true",
        },
        {**USER, "ZEEBE_ADDRESS": "https://zeebe.example.com"},
    ],
)
def test_credentials_are_sent_over_tls_on_this_machine_and_where_the_operator_says_so(
    environment: dict[str, str],
) -> None:
    assert Settings.from_environment(environment).gateway.strategy != "NONE"


@pytest.mark.parametrize(
    "address",
    [
        "https://u:S3cretValue99@h:1",
        "u:S3cretValue99@h:1",
        "https://u:S3cret/Value@99@h",
        "https://u:S3cret,Value99@h:1",
        "https://u:S3cret Value99@h:1",
        "https://S3cretValue99@h/t",
        "https://h/t?client_secret=S3cretValue99",
    ],
)
@pytest.mark.parametrize("name", ["ZEEBE_ADDRESS", "ZEEBE_AUTHORIZATION_SERVER_URL", "CAMUNDA_REST_ADDRESS"])
def test_a_user_name_and_a_password_in_an_address_are_refused_and_not_shown(name: str, address: str) -> None:
    message = refusal({name: address})
    assert message.startswith(f"{name} must be ")
    assert "without a user name" in message
    assert "S3cret" not in message
    assert "99" not in message


@pytest.mark.parametrize(
    "pattern", ["https://u:S3cret@h/*", "http://S3cret@h/*", "u:S3cret@h:x", "http://h/?k=S3cret"]
)
@pytest.mark.parametrize("name", ["ALLOWED_DOCUMENT_URLS", "ALLOWED_TOKEN_ENDPOINTS", "ALLOWED_SERVERS"])
def test_a_password_in_a_pattern_is_not_shown(name: str, pattern: str) -> None:
    with pytest.raises(InputError) as caught:
        Settings.from_environment({f"EMAIL_WORKER_{name}": pattern})
    assert "S3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("misspelt", "right"),
    [
        ("ZEEBE_ADRESS", "ZEEBE_ADDRESS"),
        ("CAMUNDA_ADDRESS", "ZEEBE_ADDRESS"),
        ("CAMUNDA_GRPC_ADRESS", "CAMUNDA_GRPC_ADDRESS"),
        ("CAMUNDA_CLIENTID", "CAMUNDA_CLIENT_ID"),
        ("ZEEBE_CLIENT_SECRETS", "CAMUNDA_CLIENT_SECRET"),
        ("CAMUNDA_TENANTS_IDS", "CAMUNDA_TENANT_IDS"),
        ("CAMUNDA_TENANTIDS", "CAMUNDA_TENANT_IDS"),
        ("ZEEBE_TENANT_IDS", "CAMUNDA_TENANT_IDS"),
        ("ZEEBE_BASIC_AUTH_USERNAME", "CAMUNDA_BASIC_AUTH_USERNAME"),
        ("CAMUNDA_BASIC_AUTH_USER", "CAMUNDA_BASIC_AUTH_USERNAME"),
        ("CAMUNDA_BASIC_PASSWORD", "CAMUNDA_BASIC_AUTH_PASSWORD"),
        ("CAMUNDA_AUTH_STRATEGIE", "CAMUNDA_AUTH_STRATEGY"),
        ("ZEEBE_OAUTH_URL", "CAMUNDA_OAUTH_URL"),
        ("ZEEBE_AUTHORIZATION_SERVER", "CAMUNDA_AUTHORIZATION_SERVER_URL"),
        ("ZEEBE_CA_CERTIFICATE", "CAMUNDA_CA_CERTIFICATE_PATH"),
        ("CAMUNDA_MTLS_CERT", "CAMUNDA_MTLS_CERT_PATH"),
        ("CAMUNDA_MTLS_KEY", "CAMUNDA_MTLS_KEY_PATH"),
        ("CAMUNDA_MTLS_CA", "CAMUNDA_MTLS_CA_PATH"),
        ("ZEEBE_INSECURE_CONECTION", "CAMUNDA_INSECURE_CONNECTION"),
        ("CAMUNDA_CLUSTERID", "CAMUNDA_CLUSTER_ID"),
        ("CAMUNDA_TENANT", "CAMUNDA_TENANT_ID"),
        ("CAMUNDA_TENANT_IDENTIFIERS", "CAMUNDA_TENANT_IDS"),
        ("CAMUNDA_WORKER_TENANTS", "CAMUNDA_TENANT_IDS"),
        ("ZEEBE_CLIENT_BROKER_GATEWAY-ADDRESS", "ZEEBE_CLIENT_BROKER_GATEWAYADDRESS"),
        ("CAMUNDA_JOB_WORKER_TENANT_IDS", "CAMUNDA_DEFAULT_JOB_WORKER_TENANT_IDS"),
        ("CAMUNDA_CLIENT_AUTH_TOKEN_URL", "CAMUNDA_CLIENT_AUTH_TOKENURL"),
        ("CAMUNDA_CLIENT_ZEEBE_GRPC_ADDRESS", "CAMUNDA_CLIENT_ZEEBE_GRPCADDRESS"),
        ("CAMUNDA_OAUTH_CLIENT_ID", "CAMUNDA_CLIENT_ID"),
        ("CAMUNDA_USERNAME", "CAMUNDA_BASIC_AUTH_USERNAME"),
        ("CAMUNDA_AUDIENCE", "CAMUNDA_TOKEN_AUDIENCE"),
        ("CAMUNDA_REST_URL", "CAMUNDA_REST_ADDRESS"),
        ("camunda_tenant_ids", "CAMUNDA_TENANT_IDS"),
        ("camunda.tenant-ids", "CAMUNDA_TENANT_IDS"),
        ("camunda.client.auth.client-id", "CAMUNDA_CLIENT_AUTH_CLIENTID"),
        ("ZEEBE_GATEWAY_ADRESS", "ZEEBE_GATEWAY_ADDRESS"),
        ("ZEEBE_URL", "ZEEBE_ADDRESS"),
        ("ZEEBE_INSECURE", "CAMUNDA_INSECURE_CONNECTION"),
        ("ZEEBE_TOKEN_URL", "CAMUNDA_CLIENT_AUTH_TOKENURL"),
        ("CAMUNDA_OAUTH_ENDPOINT", "CAMUNDA_OAUTH_URL"),
        ("ZEEBE_AUTH_SERVER_URL", "CAMUNDA_AUTHORIZATION_SERVER_URL"),
        ("ZEEBE_CA_CERT_PATH", "CAMUNDA_CA_CERTIFICATE_PATH"),
        ("ZEEBE_CA_CERT", "CAMUNDA_CA_CERTIFICATE_PATH"),
        ("CAMUNDA_MTLS_CERT_FILE", "CAMUNDA_MTLS_CERT_PATH"),
        ("CAMUNDA_MTLS_KEY_FILE", "CAMUNDA_MTLS_KEY_PATH"),
        ("CAMUNDA_SCOPES", "CAMUNDA_TOKEN_SCOPE"),
    ],
)
def test_a_near_miss_of_a_camunda_name_is_refused_with_the_right_one(misspelt: str, right: str) -> None:
    assert refusal({misspelt: "hunter2"}) == f"{misspelt} is not a setting; did you mean {right}?"


@pytest.mark.parametrize(
    "name",
    """
    CAMUNDA_CONSOLE_CLIENT_ID CAMUNDA_CONSOLE_CLIENT_SECRET CAMUNDA_CONSOLE_OAUTH_AUDIENCE
    CAMUNDA_OPERATE_OAUTH_AUDIENCE CAMUNDA_TASKLIST_OAUTH_AUDIENCE CAMUNDA_OPTIMIZE_OAUTH_AUDIENCE
    CAMUNDA_MODELER_OAUTH_AUDIENCE CAMUNDA_OPERATE_BASE_URL CAMUNDA_IDENTITY_CLIENT_ID
    CAMUNDA_IDENTITY_CLIENT_SECRET CAMUNDA_IDENTITY_AUDIENCE CAMUNDA_IDENTITY_ISSUER_BACKEND_URL
    CAMUNDA_OAUTH_TIMEOUT_MS CAMUNDA_OAUTH_RETRY_MAX CAMUNDA_OAUTH_GRANT_TYPE CAMUNDA_OAUTH_CACHE_DIR
    CAMUNDA_OAUTH_TOKEN_REFRESH_THRESHOLD_MS CAMUNDA_TOKEN_CACHE_DIR CAMUNDA_TOKEN_DISK_CACHE_DISABLE
    CAMUNDA_COOKIE_AUTH_URL CAMUNDA_COOKIE_AUTH_USERNAME CAMUNDA_COOKIE_AUTH_PASSWORD
    CAMUNDA_SDK_LOG_LEVEL CAMUNDA_LOG_LEVEL CAMUNDA_WORKER_NAME CAMUNDA_JOB_WORKER_MAX_BACKOFF_MS
    CAMUNDA_CUSTOM_USER_AGENT_STRING CAMUNDA_KEEP_ALIVE CAMUNDA_OVERRIDE_AUTHORITY CAMUNDA_PREFER_REST
    CAMUNDA_TOKEN_RESOURCE CAMUNDA_WELL_KNOWN_CONFIGURATION_URL CAMUNDA_ISSUER_URL
    CAMUNDA_SSL_CLIENT_KEYSTORE_PATH CAMUNDA_CLIENT_CONFIG_PATH CAMUNDA_AUTH_CONNECT_TIMEOUT
    CAMUNDA_CLIENT_ASSERTION_KEYSTORE_PATH CAMUNDA_CLIENT_MODE CAMUNDA_CLIENT_WORKER_STREAM_ENABLED
    CAMUNDA_DEFAULT_JOB_WORKER_TENANT_FILTER_MODE CAMUNDA_CREDENTIALS_SCOPES CAMUNDA_LICENSE_KEY
    CAMUNDA_SECURITY_AUTHENTICATION_METHOD CAMUNDA_PERSISTENT_SESSIONS_ENABLED
    CAMUNDA_DATA_SECONDARYSTORAGE_TYPE CAMUNDA_CONNECTOR_POLLING_ENABLED
    ZEEBE_CLIENT_LOG_LEVEL ZEEBE_CLIENT_CONFIG_PATH ZEEBE_GRPC_CLIENT_RETRY ZEEBE_CLIENT_REQUESTTIMEOUT
    ZEEBE_BROKER_NETWORK_HOST ZEEBE_BROKER_CLUSTER_NODEID ZEEBE_GATEWAY_NETWORK_HOST
    ZEEBE_GATEWAY_SECURITY_AUTHENTICATION_MODE ZEEBE_GATEWAY_CLUSTER_CONTACTPOINT
    ZEEBE_SERVICE_HOST ZEEBE_PORT ZEEBE_PORT_26500_TCP_ADDR CAMUNDA_ZEEBE_GATEWAY_SERVICE_PORT_GATEWAY
    CAMUNDA_REST_SERVICE_HOST CAMUNDA_VERSION
    """.split(),  # noqa: SIM905 - a name a line would be longer than the rest of the file
)
def test_other_variables_that_camunda_documents_are_not_misspelt_settings(name: str) -> None:
    assert Settings.from_environment({name: "x"}) == Settings.from_environment({})


def test_variables_of_other_programs_do_not_matter() -> None:
    others = {"ZEEBE_LOG_LEVEL": "debug", "CAMUNDA_CONNECTORS": "x", "PATH": "/bin", "email_worker_max": "x"}
    assert Settings.from_environment(others) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("EMAIL_WORKER_MAX_JOBS", "three", "must be a whole number; found 'three'"),
        ("EMAIL_WORKER_MAX_JOBS", "3.5", "must be a whole number; found '3.5'"),
        ("EMAIL_WORKER_MAX_JOBS", "0", "must be at least 1; found '0'"),
        ("EMAIL_WORKER_MAX_JOBS", "10001", "must be at most 10000; found '10001'"),
        ("EMAIL_WORKER_MAX_JOBS", "9" * 5_000, f"must be a whole number; found '{'9' * 60}'"),
        ("EMAIL_WORKER_JOB_TIMEOUT_SECONDS", "1m", "must be a number; found '1m'"),
        ("EMAIL_WORKER_JOB_TIMEOUT_SECONDS", "inf", "must be a number; found 'inf'"),
        ("EMAIL_WORKER_JOB_TIMEOUT_SECONDS", "nan", "must be a number; found 'nan'"),
        ("EMAIL_WORKER_JOB_TIMEOUT_SECONDS", "1e9", "must be at most 86400; found '1e9'"),
        ("EMAIL_WORKER_CONNECT_TIMEOUT_SECONDS", "0", "must be more than 0; found '0'"),
        ("EMAIL_WORKER_SHUTDOWN_GRACE_SECONDS", "-1", "must be at least 0; found '-1'"),
        ("EMAIL_WORKER_LOG_FORMAT", "xml", "must be 'auto', 'json' or 'console'; found 'xml'"),
        ("EMAIL_WORKER_ALLOWED_SERVERS", "a,b:smtp", "must be host or host:port; found 'b:smtp'"),
        ("ZEEBE_INSECURE_CONNECTION", "perhaps", "must be true or false; found 'perhaps'"),
    ],
)
def test_a_bad_value_is_named_in_one_plain_sentence(name: str, value: str, sentence: str) -> None:
    assert refusal({name: value}) == f"{name} {sentence}."


def test_a_secret_is_shown_nowhere() -> None:
    settings = Settings.from_environment(CLIENT)
    assert "t0ps3cret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert "t0ps3cret" not in refusal({**CLIENT, "ZEEBE_INSECURE_CONNECTION": "true"})
    assert "t0ps3cret" not in refusal({**CLIENT, "EMAIL_WORKER_MAX_JOBS": "x"})


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = Settings.from_environment({})
    with pytest.raises(ValidationError, match="frozen"):
        settings.worker.max_jobs = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.gateway = settings.gateway  # type: ignore[misc]


def test_the_environment_lies_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file = tmp_path / "worker.env"
    env_file.write_text(
        "EMAIL_WORKER_MAX_JOBS=1\nexport EMAIL_WORKER_NAME='from file'\nSECRET_X=a$HOME#b\nlonely\n"
    )
    monkeypatch.setenv("EMAIL_WORKER_MAX_JOBS", "2")
    environment = read_environment(env_file)
    assert environment["EMAIL_WORKER_MAX_JOBS"] == "2"
    assert environment["EMAIL_WORKER_NAME"] == "from file"
    assert environment["SECRET_X"] == "a$HOME#b"
    assert "lonely" not in environment


def test_an_env_file_in_the_working_directory_is_found_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "EMAIL_WORKER_NAME" not in read_environment()
    (tmp_path / ".env").write_text("EMAIL_WORKER_NAME=here\n")
    assert read_environment()["EMAIL_WORKER_NAME"] == "here"


def test_an_env_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"worker\.env does not exist"):
        read_environment(tmp_path / "worker.env")


@pytest.mark.parametrize(
    ("text", "line"), [("A=1\nZEEBE_ADDRESS: x\n", 2), ("two words\n", 1), ('A=1\nB="s3cret\nC=1\n', 2)]
)
def test_a_line_of_an_env_file_that_cannot_be_read_is_named_by_number_alone(
    text: str, line: int, tmp_path: Path
) -> None:
    (tmp_path / "worker.env").write_text(text)
    with pytest.raises(
        InputError, match=rf"worker\.env cannot be read \(.* line {line}\); .*NAME=value"
    ) as told:
        read_environment(tmp_path / "worker.env")
    assert "s3cret" not in told.value.message


def test_an_env_file_may_be_a_pipe_and_begin_with_a_byte_order_mark() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\xef\xbb\xbfEMAIL_WORKER_NAME=piped\n")
    os.close(writing)
    assert read_environment(Path(f"/dev/fd/{reading}"))["EMAIL_WORKER_NAME"] == "piped"
    os.close(reading)


def test_a_directory_is_no_env_file_but_one_called_env_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").mkdir()
    assert "EMAIL_WORKER_NAME" not in read_environment()
    with pytest.raises(InputError, match="cannot be read as text"):
        read_environment(tmp_path / ".env")


def test_an_env_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "worker.env").write_bytes(b"A=\xff\xfe\n")
    with pytest.raises(InputError, match=r"worker\.env cannot be read as text"):
        read_environment(tmp_path / "worker.env")


def test_every_setting_is_in_the_table_with_a_sentence() -> None:
    fields = settings_fields()
    assert len({name for name, _, _ in fields}) == len(fields)
    assert all(description.endswith(".") for _, _, description in fields)
    assert ("EMAIL_WORKER_MAX_JOBS", "`64`", "Jobs that run at the same time, over all job types.") in fields


@pytest.mark.parametrize(
    "address", ["https://bru-2.zeebe.camunda.io/c1", "http://localhost:8080", "http://[::1]/v2"]
)
def test_the_rest_address_is_a_url(address: str) -> None:
    assert (
        Settings.from_environment({"ZEEBE_REST_ADDRESS": address, **CLIENT}).gateway.rest_address == address
    )


@pytest.mark.parametrize(
    "address", ["localhost:8080", "https://", "https://u:p@h", "https://h?x=1", "file:///x"]
)
def test_an_invalid_rest_address_is_refused(address: str) -> None:
    assert refusal({"ZEEBE_REST_ADDRESS": address}).startswith("ZEEBE_REST_ADDRESS must be a URL such as")


@pytest.mark.parametrize(
    ("address", "target"),
    [("HTTPS://zeebe", "zeebe:443"), ("GRPCS://zeebe:26500", "zeebe:26500"), ("Https://[::1]/", "[::1]:443")],
)
def test_the_case_of_a_scheme_does_not_matter(address: str, target: str) -> None:
    gateway = Settings.from_environment({"ZEEBE_ADDRESS": address}).gateway
    assert (gateway.target, gateway.is_encrypted) == (target, True)
    rest = {"ZEEBE_REST_ADDRESS": "HTTPS://Host:8443/A", "CAMUNDA_OAUTH_URL": "Https://id/T", **CLIENT}
    gateway = Settings.from_environment(rest).gateway
    assert (gateway.rest_address, gateway.authorization_server_url) == ("https://Host:8443/A", "https://id/T")


@pytest.mark.parametrize(
    "place", ["zeebe:", "zeebe:x", "zeebe:1:2", ":443", "::1", "https:zeebe", "'zeebe:1'", "a,b:1", "[zeebe]"]
)
def test_an_address_without_a_host_and_a_port_that_can_be_read_is_refused(place: str) -> None:
    for name, address in (("ZEEBE_ADDRESS", place), ("ZEEBE_REST_ADDRESS", f"https://{place}")):
        assert refusal({name: address}).startswith(f"{name} must be ")


@pytest.mark.parametrize("port", [0, 65_536, 99_999])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    for name in ("ZEEBE_ADDRESS", "ZEEBE_REST_ADDRESS", "CAMUNDA_OAUTH_URL"):
        address = f"https://zeebe:{port}"
        assert refusal({name: address}) == f"{name} must have a port from 1 to 65535; found {address!r}."


@pytest.mark.parametrize("host", ["cluster:8080", "localhost.example.com", "127.evil.example.com"])
def test_a_token_is_not_sent_to_a_rest_address_in_clear_text(host: str) -> None:
    address = {"ZEEBE_REST_ADDRESS": f"http://{host}"}
    assert Settings.from_environment(address).gateway.rest_address is not None
    assert "must begin with https://" in refusal({**address, **CLIENT})


def test_a_url_pattern_that_cannot_be_read_is_named() -> None:
    message = refusal({"EMAIL_WORKER_ALLOWED_DOCUMENT_URLS": "https://a/*, files.example.com"})
    assert message.startswith("EMAIL_WORKER_ALLOWED_DOCUMENT_URLS must be a URL such as")
    assert message.endswith("found 'files.example.com'.")


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"EMAIL_WORKER_DEFAULT_IMAP_USERNAME": "ann"}, "EMAIL_WORKER_DEFAULT_IMAP_USERNAME and"),
        (
            {
                "EMAIL_WORKER_DEFAULT_POP3_USERNAME": "ann",
                "EMAIL_WORKER_DEFAULT_POP3_PASSWORD": "s3cret",
            },
            "EMAIL_WORKER_DEFAULT_POP3_HOST is required",
        ),
        ({"EMAIL_WORKER_DEFAULT_IMPA_HOST": "x"}, "did you mean EMAIL_WORKER_DEFAULT_IMAP_HOST"),
        ({"EMAIL_WORKER_DEFAULT_SMTP_PORT": "0"}, "EMAIL_WORKER_DEFAULT_SMTP_PORT must be at least 1"),
        *(
            (
                {"EMAIL_WORKER_DEFAULT_SMTP_HOST": host},
                f"EMAIL_WORKER_DEFAULT_SMTP_HOST must be a host name or an IP address alone.*'{host}'",
            )
            for host in ("smtp.example.com:587", "smtp://smtp.example.com", "smtp example")
        ),
        ({"EMAIL_WORKER_DEFAULT_IMAP_AUTHENTICATION": "{}"}, "EMAIL_WORKER_DEFAULT_IMAP_HOST is required"),
        *(
            (
                {"EMAIL_WORKER_DEFAULT_IMAP_HOST": "x", "EMAIL_WORKER_DEFAULT_IMAP_AUTHENTICATION": text},
                "EMAIL_WORKER_DEFAULT_IMAP_AUTHENTICATION must be a JSON object whose type is one of simple,",
            )
            for text in ("s3cret", '["s3cret"]', '{"token": "s3cret"}', '{"type": ["s3cret"]}')
        ),
        (
            {
                "EMAIL_WORKER_DEFAULT_IMAP_HOST": "x",
                "EMAIL_WORKER_DEFAULT_IMAP_USERNAME": "ann",
                "EMAIL_WORKER_DEFAULT_IMAP_PASSWORD": "s3cret",
                "EMAIL_WORKER_DEFAULT_IMAP_AUTHENTICATION": '{"type": "noAuth"}',
            },
            "EMAIL_WORKER_DEFAULT_IMAP_AUTHENTICATION and EMAIL_WORKER_DEFAULT_IMAP_USERNAME exclude",
        ),
    ],
)
def test_a_wrong_default_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        Settings.from_environment(environment)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Worker.example.com.", "worker.example.com"),
        ("müller.example", "xn--mller-kva.example"),
        ("worker", "worker"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)
def test_the_name_for_smtp_servers_is_one_that_they_know(given: str, name: str) -> None:
    assert Settings.from_environment({"EMAIL_WORKER_SMTP_HELO_NAME": given}).worker.smtp_helo_name == name
    message = refusal({"EMAIL_WORKER_SMTP_HELO_NAME": f"http://{given}"})
    assert message.startswith("EMAIL_WORKER_SMTP_HELO_NAME must be a host name or an IP address alone")


def test_a_default_mail_server_may_be_named_by_a_secret() -> None:
    environment = {"EMAIL_WORKER_DEFAULT_SMTP_HOST": "{{secrets.RELAY}}"}
    assert Settings.from_environment(environment).defaults["smtp"].host == "{{secrets.RELAY}}"


def test_an_smtp_server_by_default_needs_no_account() -> None:
    environment = {"EMAIL_WORKER_DEFAULT_SMTP_HOST": "relay", "EMAIL_WORKER_DEFAULT_SMTP_PORT": "25"}
    defaults = Settings.from_environment(environment).defaults
    assert defaults["smtp"].variables()["authentication"] == {"type": "noAuth"}
    assert defaults["imap"].variables() == {}


def test_operations_are_chosen_by_patterns() -> None:
    def served(patterns: str) -> list[str]:
        settings = Settings.from_environment({"EMAIL_WORKER_OPERATIONS": patterns})
        return list(served_task_types(settings.worker))

    assert served("smtp.send") == served("email.smtp.*") == ["email.smtp.send"]
    assert "email.smtp.send" not in served("imap.*,pop3.*")
    assert len(served("*")) == len(BY_TASK_TYPE)
    with pytest.raises(InputError, match=r"EMAIL_WORKER_OPERATIONS: imap\.reed is none of"):
        served("imap.reed")


def test_all_wrong_settings_are_named_together_each_on_a_line() -> None:
    message = refusal(
        {
            "EMAIL_WORKER_LOG_LEVEL": "loud",
            "EMAIL_WORKER_MAX_JOBS": "0",
            "ZEEBE_ADDRESS": "a b",
            "EMAIL_WORKER_DEFAULT_IMAP_PORT": "x",
            "OTEL_TRACES_EXPORTER": "fax",
        }
    )
    names = [line.split()[0] for line in message.splitlines()]
    assert sorted(names) == [
        "EMAIL_WORKER_DEFAULT_IMAP_PORT",
        "EMAIL_WORKER_LOG_LEVEL",
        "EMAIL_WORKER_MAX_JOBS",
        "OTEL_TRACES_EXPORTER",
        "ZEEBE_ADDRESS",
    ]


def test_all_misspelt_settings_are_named_together() -> None:
    message = refusal({"EMAIL_WORKER_MAX_JOB": "1", "ZEEBE_ADRESS": "a"})
    assert message.splitlines() == [
        "ZEEBE_ADRESS is not a setting; did you mean ZEEBE_ADDRESS?",
        "EMAIL_WORKER_MAX_JOB is not a setting; did you mean EMAIL_WORKER_MAX_JOBS?",
    ]


@pytest.mark.parametrize("name", ["EMAIL_WORKER_ALLOWED_SERVERS", "EMAIL_WORKER_OPERATIONS"])
def test_a_list_of_nothing_does_not_mean_everything_or_nothing(name: str) -> None:
    assert refusal({name: " , "}).startswith(f"{name} must name at least one")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "MAX_JOBS",
            "MAX_JOBS_PER_SERVER",
            "MAX_SENDS_PER_MINUTE",
            "MAX_SESSIONS",
            "MAX_SESSIONS_PER_ACCOUNT",
        ),
        *("JOB_TIMEOUT_SECONDS", "POLL_TIMEOUT_SECONDS", "RETRY_BACKOFF_SECONDS", "SHUTDOWN_GRACE_SECONDS"),
        *("CONNECT_TIMEOUT_SECONDS", "TLS_TIMEOUT_SECONDS", "GREETING_TIMEOUT_SECONDS"),
        *("LOGIN_TIMEOUT_SECONDS", "COMMAND_TIMEOUT_SECONDS", "TRANSFER_TIMEOUT_SECONDS"),
        *("MAX_IDLE_SECONDS", "POP3_HOLD_SECONDS", "MAX_REMEMBERED_BYTES", "MAX_MESSAGE_BYTES"),
        *("MAX_ATTACHMENT_BYTES", "MAX_RESULT_BYTES", "HEALTH_PORT"),
    ],
)
def test_no_number_is_larger_than_sockets_and_clocks_can_count(name: str) -> None:
    variable = f"EMAIL_WORKER_{name}"
    assert refusal({variable: "1" + "0" * 20}).startswith(f"{variable} must be at most ")
