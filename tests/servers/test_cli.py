"""The command line as a shell sees it: what is printed where, and the exit code."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from testkit.processes import free_port
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import say
from typer.testing import CliRunner, Result

from worker.cli import app
from worker.cli.variables import read_variables
from worker.models.smtp import SendParameters
from worker.operations.catalogue import BY_TASK_TYPE

NAMES = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings but those of the test, and wide lines; logs as before afterwards."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(root, "level", root.level)
    for module, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEEBE_ADDRESS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("COLUMNS", "250")
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)


def variables(**parameters: Any) -> dict[str, Any]:
    return {
        "authentication": {"type": "noAuth"},
        "server": {"host": "127.0.0.1", "port": free_port(), "cryptographicProtocol": "NONE"},
        "parameters": {
            "from": "a@example.com",
            "to": "b@example.com",
            "subject": "x",
            "body": "y",
            **parameters,
        },
    }


def call(given: str | dict[str, Any], operation: str = "email.smtp.send") -> Result:
    text = given if isinstance(given, str) else json.dumps(given)
    return CliRunner().invoke(app, ["call", operation, "--variables", "-"], input=text)


def failure(answer: Result) -> dict[str, Any]:
    """What standard error says, which is JSON and nothing else."""
    assert answer.stdout == ""
    said: dict[str, Any] = json.loads(answer.stderr)
    assert list(said) == ["code", "message", "retryable"]
    return said


def test_an_operation_that_failed_is_exit_code_1_and_json_on_standard_error() -> None:
    answer = call(variables())
    assert answer.exit_code == 1
    said = failure(answer)
    assert (said["code"], said["retryable"]) == ("CONNECTION_FAILED", True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (variables(tos="b@example.com"), "did you mean parameters.to?"),
        (variables(subject="\ud800"), "Standard input is not valid JSON: "),
        ("[1]", "Standard input must be a JSON object."),
        ("{", "Standard input is not valid JSON: "),
        ("", "Standard input is not valid JSON: "),
        ("[" * 100_000, "Standard input is nested too deeply."),
    ],
)
def test_bad_input_is_exit_code_1_and_one_sentence(given: str | dict[str, Any], says: str) -> None:
    answer = call(given)
    assert answer.exit_code == 1
    said = failure(answer)
    assert (said["code"], said["retryable"]) == ("INVALID_INPUT", False)
    assert says in said["message"]


async def test_what_is_logged_during_a_call_goes_to_standard_error_without_secrets() -> None:
    options = Pop3Options(faults={"QUIT": say("-ERR not removed")})
    async with ScriptedPop3({"1": b"Message-ID: <one@x>\r\n\r\nx\r\n"}, options) as server:
        given = {
            "authentication": {"username": "ann", "password": "s3cret"},
            "server": {"host": "{{secrets.HOST}}", "port": server.port, "cryptographicProtocol": "NONE"},
            "parameters": {"messageId": "<one@x>"},
        }
        called = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("email-worker"), "call", "email.pop3.read", "--variables", "-"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "SECRET_HOST": server.host},
        )
        out, told = await called.communicate(json.dumps(given).encode())
    assert json.loads(out)["messageId"] == "<one@x>"
    line = json.loads(told)
    assert (line["event"], line["server"]) == ("email_not_deleted", f"***:{server.port}")


def test_set_changes_single_variables_also_in_groups() -> None:
    given = json.dumps(variables())
    options = ["--set", "parameters.tos=x", "--set", "parameters.subject=7"]
    answer = CliRunner().invoke(app, ["call", "email.smtp.send", "--variables", "-", *options], input=given)
    assert failure(answer)["message"].count("did you mean parameters.to?") == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "authentication.password hunter2"], "--set must be KEY=VALUE; found no =."),
        (["--set", "=hunter2"], "--set must be KEY=VALUE; found '=…'."),
        (["--set", "a..b=hunter2"], "--set must be KEY=VALUE; found 'a..b=…'."),
        (["--set", "server=x", "--set", "server.host=y"], "--set server.host: server is a value already"),
        (
            ["--variables", '{"password": "hunter2"}'],
            "--variables must name a file, or - for standard input; found",
        ),
        (["--variables", "nowhere.json"], "nowhere.json cannot be read: No such file or directory."),
    ],
)
def test_options_that_cannot_be_read_are_one_sentence(options: list[str], says: str) -> None:
    said = failure(CliRunner().invoke(app, ["call", "email.smtp.send", *options]))
    assert (said["code"], said["retryable"]) == ("INVALID_INPUT", False)
    assert said["message"].startswith(says)
    assert "hunter2" not in said["message"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_variables_are_read_in_any_encoding_of_json(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "mail.json"
    file.write_bytes(json.dumps(variables(to="Grüße"), ensure_ascii=False).encode(encoding))
    for options, given in (([str(file)], None), (["-"], file.read_bytes())):
        answer = CliRunner().invoke(app, ["call", "email.smtp.send", "--variables", *options], input=given)
        assert "found 'Grüße'" in failure(answer)["message"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_in_json_is_refused_in_a_file_and_text_in_set(number: str) -> None:
    assert "Standard input is not valid JSON" in failure(call(f'{{"parameters": {number}}}'))["message"]
    assert read_variables(None, [f"subject={number}"]) == {"subject": number}


def test_variables_of_a_file_without_a_name_are_refused() -> None:
    answer = CliRunner().invoke(app, ["call", "email.smtp.send", "--variables", ""])
    assert failure(answer)["message"] == "--variables must name a file, or - for standard input; found ''."


@pytest.mark.parametrize("option", [("--variables", "mail.json"), ("--protocol", "smtp")])
def test_check_refuses_options_that_need_a_server(option: tuple[str, str]) -> None:
    answer = CliRunner().invoke(app, ["check", *option])
    assert answer.exit_code == 2
    assert "--protocol and --variables need --server." in answer.stderr


def test_an_output_directory_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = CliRunner().invoke(app, ["templates", "--directory", str(tmp_path / "file")])
    assert (answer.exit_code, answer.stderr) == (1, f"{tmp_path / 'file'} cannot be used: File exists.\n")


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_a_port_of_the_sandbox_that_is_none_is_refused(port: str) -> None:
    answer = CliRunner().invoke(app, ["sandbox", "--port", port])
    assert answer.exit_code == 2
    assert "Invalid value for '--port'" in answer.stderr


def test_all_output_is_utf_8_whatever_the_locale_is() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "worker", "check"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    assert "✗ The gateway" in done.stdout.decode()
    assert done.stderr == b""


def test_an_interrupt_during_the_imports_ends_without_a_word() -> None:
    program = (
        "import signal, sys; from worker.__main__ import main; import worker.cli;"
        "del sys.modules['worker.cli'], worker.cli; sys.argv = ['email-worker', 'check'];"
        "sys.meta_path.insert(0, type('Interrupt', (), {"
        "'find_spec': staticmethod(lambda *_: signal.raise_signal(signal.SIGINT))})); main()"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (130, b"")


async def test_an_interrupt_of_a_command_that_waits_is_exit_code_130() -> None:
    connected = asyncio.Event()

    async def greet_nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet_nobody, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    given = ("server.host=127.0.0.1", f"server.port={port}", "server.cryptographicProtocol=NONE")
    account = ("authentication.username=ann", "authentication.password=s3cret")
    options = [part for setting in (*given, *account) for part in ("--set", setting)]
    async with server, asyncio.timeout(120):
        called = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker", "call", "email.pop3.list", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await connected.wait()
        called.send_signal(signal.SIGINT)
        out, told = await called.communicate()
    assert (called.returncode, out, told) == (130, b"", b"")


def test_an_operation_that_is_none_is_bad_input_with_all_that_there_are() -> None:
    answer = call(variables(), "email.smtp.sent")
    assert answer.exit_code == 1
    assert failure(answer)["message"] == (
        f"email.smtp.sent is not an operation; there are {', '.join(BY_TASK_TYPE)}."
    )


def test_a_fault_of_the_worker_itself_is_reported_the_same_way_without_its_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: SendParameters) -> str:
        raise KeyError("a piece of the variables")

    monkeypatch.setattr(SendParameters, "text", property(fail))
    answer = call(variables())
    assert answer.exit_code == 1
    said = failure(answer)
    assert said["code"] == "INTERNAL_ERROR"
    assert "KeyError in fail, test_cli.py:" in said["message"]
    assert "piece" not in said["message"]


def check(**environment: str) -> Result:
    return CliRunner().invoke(app, ["check"], env=environment)


def rows(answer: Result, name: str) -> list[str]:
    """The cells of the row of a setting."""
    (row,) = [line for line in answer.stdout.splitlines() if name in line and "│" in line]
    return [cell.strip() for cell in row.strip("│").split("│")]


@pytest.mark.parametrize("command", [(), *((name,) for name in NAMES)], ids=" ".join)
def test_help_shows_a_value_only_where_an_option_takes_one_and_cuts_no_sentence(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [*command, "--help"]).stdout
    assert "--help" in shown
    assert re.findall(r"--[\w-]+ <\w+>", shown) == []
    assert "..." not in shown.partition("\nCommands:\n")[2]


def test_check_marks_the_settings_that_are_set() -> None:
    answer = check(EMAIL_WORKER_MAX_JOBS="7", CAMUNDA_REST_ADDRESS="http://localhost:1")
    assert rows(answer, "EMAIL_WORKER_MAX_JOBS ") == ["EMAIL_WORKER_MAX_JOBS", "set", "7"]
    assert rows(answer, "ZEEBE_REST_ADDRESS") == ["ZEEBE_REST_ADDRESS", "set", "http://localhost:1"]
    assert rows(answer, "EMAIL_WORKER_MAX_SESSIONS ")[1] == ""


def test_check_shows_values_in_the_form_in_which_they_are_set() -> None:
    answer = check(EMAIL_WORKER_VENDOR_TASK_TYPE="true", EMAIL_WORKER_MAX_IDLE_SECONDS="2.5")
    assert rows(answer, "EMAIL_WORKER_VENDOR_TASK_TYPE")[2] == "true"
    assert rows(answer, "EMAIL_WORKER_MAX_IDLE_SECONDS")[2] == "2.5"
    assert rows(answer, "EMAIL_WORKER_JOB_TIMEOUT_SECONDS")[2] == "60"
    assert rows(answer, "CAMUNDA_TENANT_IDS")[2] == "not set"


def test_check_cuts_no_value_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    servers = [f"smtp{number}.example.com:587" for number in range(40)]
    answer = check(EMAIL_WORKER_ALLOWED_SERVERS=",".join(servers))
    assert rows(answer, "EMAIL_WORKER_ALLOWED_SERVERS")[2] == ", ".join(servers)


@pytest.mark.parametrize("columns", [80, 40])
def test_check_cuts_nothing_on_a_narrow_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    url = "https://auth.example.com/realms/camunda-platform/protocol/openid-connect/token"
    shown = re.sub(r"\x1b\[[0-9;]*m", "", check(ZEEBE_AUTHORIZATION_SERVER_URL=url).stdout)
    table = [line for line in shown.splitlines() if "│" in line]
    assert "…" not in shown
    assert max(map(len, table)) <= columns
    assert url in "".join(line.rsplit("│", 2)[1].strip() for line in table)


def test_check_names_the_secrets_and_their_faults_but_no_value(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / "IMAP_PASSWORD").write_text("hunter2")
    (directory / "EMPTY").write_text("\n")
    answer = check(EMAIL_WORKER_SECRETS_DIR=str(directory), SECRET_SMTP_PASSWORD="hunter3")
    assert "EMPTY (file), IMAP_PASSWORD (file), SMTP_PASSWORD (environment)" in answer.stdout
    assert f"✗ The secret EMPTY cannot be used: the file {directory / 'EMPTY'} is empty.\n" in answer.stdout
    assert "hunter" not in answer.output


def test_check_marks_each_setting_that_is_wrong() -> None:
    answer = check(EMAIL_WORKER_MAX_JOBS="0", EMAIL_WORKER_LOG_LEVEL="loud")
    assert answer.exit_code == 1
    assert answer.stdout.count("✗ EMAIL_WORKER_") == 2


def test_check_reports_a_directory_of_secrets_that_is_not_there(tmp_path: Path) -> None:
    answer = check(EMAIL_WORKER_SECRETS_DIR=str(tmp_path / "secrets"))
    assert f"✗ EMAIL_WORKER_SECRETS_DIR: {tmp_path / 'secrets'} does not exist.\n" in answer.stdout


def test_check_reports_a_ca_file_that_is_not_there() -> None:
    answer = check(EMAIL_WORKER_TLS_CA_FILE="/nope.pem")
    assert "✗ EMAIL_WORKER_TLS_CA_FILE: /nope.pem does not exist.\n" in answer.stdout


def test_check_reports_a_health_port_that_another_program_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = check(EMAIL_WORKER_HEALTH_HOST="127.0.0.1", EMAIL_WORKER_HEALTH_PORT=str(port))
    assert (
        f"✗ The health pages cannot be served at 127.0.0.1:{port} (address already in use)" in answer.stdout
    )


def test_check_names_what_to_mend_with_exit_code_1() -> None:
    answer = check()
    assert answer.exit_code == 1
    assert "check ZEEBE_ADDRESS, the TLS settings and the credentials" in answer.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZEEBE_ADDRESS", "[fe80::1]:1"),
        ("EMAIL_WORKER_ALLOWED_SERVERS", "[fe80::1]:25"),
        ("EMAIL_WORKER_SECRET_FIELDS", "[/a].*"),
        ("EMAIL_WORKER_NAME", "[bold]me"),
    ],
)
def test_check_shows_values_as_they_are_whatever_their_brackets(name: str, value: str) -> None:
    answer = check(**{name: value})
    assert answer.exit_code == 1
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
    (row,) = [line for line in answer.stdout.splitlines() if name in line and "│" in line]
    assert value in row


def test_check_quotes_a_bad_value_as_it_is() -> None:
    answer = check(EMAIL_WORKER_ALLOWED_SERVERS="[/x]:y")
    assert answer.exit_code == 1
    assert answer.stdout == "✗ EMAIL_WORKER_ALLOWED_SERVERS must be host or host:port; found '[/x]:y'.\n"


def test_check_shows_no_secret() -> None:
    answer = check(ZEEBE_CLIENT_ID="me", ZEEBE_CLIENT_SECRET="hunter2", SECRET_MAIL="hunter3")
    assert answer.exit_code == 1
    assert "ZEEBE_CLIENT_SECRET" in answer.stdout
    assert "hunter" not in answer.output


@pytest.mark.parametrize(
    "name", ["ZEEBE_ADDRESS", "ZEEBE_AUTHORIZATION_SERVER_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"]
)
def test_check_shows_no_user_name_and_password_of_an_address(name: str) -> None:
    answer = check(**{name: "https://u:hunt/er@2@127.0.0.1:1/t"})
    assert answer.exit_code == 1
    assert name in answer.output
    assert "er@2" not in answer.output
    assert "hunt" not in answer.output


@pytest.mark.parametrize(
    "name",
    [
        *("CAMUNDA_MTLS_KEY_PATH", "CAMUNDA_MTLS_CERT_PATH", "ZEEBE_CA_CERTIFICATE_PATH"),
        *("EMAIL_WORKER_TLS_CA_FILE", "EMAIL_WORKER_SECRETS_DIR"),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\\n"])
def test_check_shows_no_private_key_that_stands_in_place_of_its_file(name: str, line_break: str) -> None:
    key = line_break.join(("-----BEGIN PRIVATE KEY-----", "hunter2", "-----END PRIVATE KEY-----", ""))
    answer = check(**{name: key})
    assert answer.exit_code == 1
    assert f"{name} must be a path; found the content of a file." in answer.output
    assert "hunter2" not in answer.output


@pytest.mark.parametrize("end", ["?key=hunter2", "#hunter2", "/#access_token=hunter2"])
def test_check_shows_no_query_and_fragment_of_an_address(end: str) -> None:
    answer = check(ZEEBE_REST_ADDRESS=f"https://camunda.example.com{end}")
    assert answer.exit_code == 1
    assert "found 'https://camunda.example.com" in answer.output
    assert "hunter2" not in answer.output


def test_a_wrong_setting_is_exit_code_1_and_named() -> None:
    client = {"ZEEBE_CLIENT_ID": "me", "ZEEBE_CLIENT_SECRET": "hunter2"}
    address = {"ZEEBE_AUTHORIZATION_SERVER_URL": "http://id.example.com/token"}
    answer = CliRunner().invoke(
        app, ["call", "email.smtp.send", "--variables", "-"], input="{}", env={**client, **address}
    )
    assert answer.exit_code == 1
    assert "ZEEBE_AUTHORIZATION_SERVER_URL must begin with https://" in failure(answer)["message"]
