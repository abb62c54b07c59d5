from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from worker import EmailWorker
from worker.logs import configure_logs
from worker.masking import Mask, masking
from worker.settings import Settings

PASSWORD = 'hunter2"\\x'

Output = Callable[[], str]
Start = Callable[..., Output]


@pytest.fixture
def start(capsys: pytest.CaptureFixture[str]) -> Iterator[Start]:
    """Configure logs with one known sign-in; what it returns gives the lines written so far."""
    root = logging.getLogger()
    before = root.handlers, root.level

    def configure(log_format: str, level: str = "info", **more: str) -> Output:
        mask = Mask()
        mask.learn(PASSWORD)
        environment = {"EMAIL_WORKER_LOG_FORMAT": log_format, "EMAIL_WORKER_LOG_LEVEL": level, **more}
        configure_logs(Settings.from_environment(environment).worker, mask)
        return lambda: capsys.readouterr().err

    yield configure
    root.handlers, root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def new_log(name: str = "worker.test") -> Any:
    return structlog.get_logger(name)


class Leaky:
    def __repr__(self) -> str:
        return f"<Leaky {PASSWORD}>"


def fail_with_the_password() -> None:
    password = PASSWORD
    raise ValueError(f"535 {password} is wrong") from RuntimeError(f"LOGIN alice {password}")


def test_json_is_one_object_a_line_with_event_level_and_time(start: Start) -> None:
    output = start("json")
    new_log().info("job_ended", outcome="COMPLETED", seconds=0.5)
    line = json.loads(output())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "job_ended", "level": "info", "outcome": "COMPLETED", "seconds": 0.5}


def test_a_line_that_cannot_be_written_is_lost_and_nothing_fails(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails too
    monkeypatch.setattr(sys, "stderr", full)
    start("json")
    new_log().info("no room for this")
    with pytest.raises(OSError, match="No space"):
        full.close()
    new_log().info("nor a file for this")


def test_auto_is_json_where_no_terminal_is(start: Start) -> None:
    output = start("auto")
    new_log().info("hello")
    assert json.loads(output())["event"] == "hello"


def test_console_is_for_people(start: Start) -> None:
    output = start("console")
    new_log().info("job_ended", outcome="COMPLETED", incident=False, task_types=["a", "b"])
    line = output()
    assert "job_ended" in line
    assert "outcome=COMPLETED" in line
    assert 'incident=false task_types=["a", "b"]' in line, "as in JSON"


def test_a_json_line_begins_with_time_level_and_event(start: Start) -> None:
    output = start("json")
    structlog.contextvars.bind_contextvars(job_key=1)
    new_log().info("job_ended", outcome="COMPLETED")
    logging.getLogger("library").warning("slow")
    for line in output().splitlines():
        assert list(json.loads(line))[:3] == ["timestamp", "level", "event"]


def test_a_console_line_fits_in_160_characters_and_loses_no_word_of_a_message(start: Start) -> None:
    output = start("console")
    message = "The server of a customer refused an email. " * 20
    structlog.contextvars.bind_contextvars(process_instance_key=2251799813685311, element_id="Send" * 60)
    new_log().error(
        "job_ended", outcome="SERVER_REFUSED", message=message + "\x1b[2J\n", retries=0, server=None
    )
    lines = output().splitlines()
    assert max(map(len, lines)) <= 160
    words = " ".join(" ".join(lines).split())
    assert message.strip() in words
    assert words.endswith("\\n"), "the message comes last"
    assert "server=" not in words
    assert "\x1b" not in words


def test_a_usual_line_of_the_console_is_one_line(start: Start) -> None:
    output = start("console")
    keys = {"job_key": 2251799813685307, "process_instance_key": 2251799813685298}
    structlog.contextvars.bind_contextvars(
        task_type="email.smtp.send", bpmn_process_id="send-email", element_id="SendEmail", **keys
    )
    new_log().info(
        "job_ended", operation="email.smtp.send", outcome="COMPLETED", server="127.0.0.1:3025", seconds=0.012
    )
    assert len(output().splitlines()) == 1


@pytest.mark.parametrize(("setting", "is_there"), [("true", True), ("false", False)])
def test_the_message_of_a_failed_job_is_masked_and_can_be_left_out(
    setting: str, is_there: bool, start: Start
) -> None:
    output = start("json", EMAIL_WORKER_LOG_ERROR_MESSAGES=setting)
    new_log().warning("job_ended", code="AUTHENTICATION_FAILED", message=f"535 no {PASSWORD}")
    line = json.loads(output())
    assert line.get("message") == ("535 no ***" if is_there else None)
    assert line["code"] == "AUTHENTICATION_FAILED"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_field_holds_a_secret_whatever_its_type(log_format: str, start: Start) -> None:
    output = start(log_format)
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    structlog.contextvars.bind_contextvars(element_id=PASSWORD)
    new_log().warning(
        "event",
        text=f"x{PASSWORD}x",
        sasl=encoded,
        nested={"a": [PASSWORD, {"b": (PASSWORD,)}]},
        error=ValueError(PASSWORD),
        thing=Leaky(),
        raw=PASSWORD.encode(),
        names={PASSWORD},
    )
    written = output()
    assert "hunter2" not in written
    assert encoded not in written
    assert "x***x" in written


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_trace_says_where_and_what_kind_but_not_what_the_error_said(log_format: str, start: Start) -> None:
    output = start(log_format)
    try:
        fail_with_the_password()
    except ValueError:
        new_log().exception("job_failed_unexpectedly")
    written = output()
    assert "ValueError in " in written
    assert "<- RuntimeError in " in written
    assert "fail_with_the_password (" in written
    assert "is wrong" not in written
    assert "hunter2" not in written


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_librarys_line_and_its_trace_are_masked_too(log_format: str, start: Start) -> None:
    output = start(log_format)
    try:
        fail_with_the_password()
    except ValueError as error:
        logging.getLogger("library").warning("login %s", PASSWORD, exc_info=error, stack_info=True)
    written = " ".join(output().split())
    assert "login ***" in written
    assert "fail_with_the_password (" in written
    assert "is wrong" not in written
    assert "hunter2" not in written


def test_a_librarys_line_is_masked_before_it_is_cut_and_is_never_long(start: Start) -> None:
    secret = "hunter2 of two\nlines and more"
    output = start("json")
    mask = Mask()
    mask.learn(secret)
    with masking(mask):
        logging.getLogger("library").warning("login %s", secret)
        logging.getLogger("library").warning("the server says %s", "x" * 1_000_000)
    first, second = map(json.loads, output().splitlines())
    assert first["event"] == "login ***"
    assert second["event"].endswith("x…")
    assert len(second["event"]) == 1_000


async def test_an_exception_that_nobody_fetched_is_not_quoted(start: Start) -> None:
    output = start("json")
    error = ValueError("canary")
    task: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    context = {"message": "Task exception was never retrieved", "exception": error, "future": task}
    task.set_exception(error)
    asyncio.get_running_loop().default_exception_handler(context)
    assert task.exception() is error
    written = output()
    assert "never retrieved" in written
    assert "canary" not in written


def test_a_slow_step_that_asyncio_reports_does_not_show_what_came_of_it(start: Start) -> None:
    output = start("json")

    async def read_a_mail() -> str:
        # Longer than asyncio, told to look closely, takes for usual; the loop is meant to stand still.
        time.sleep(0.11)  # noqa: ASYNC251
        return "canary"

    asyncio.run(asyncio.wait_for(read_a_mail(), 5), debug=True)
    written = output()
    assert "Executing" in written
    assert "canary" not in written


def test_the_errors_of_a_group_are_distinguished(start: Start) -> None:
    output = start("json")
    new_log().error("failed", exc_info=ExceptionGroup("two", [KeyError("canary"), OSError("canary")]))
    written = json.loads(output())["exception"]
    assert re.findall(r"(\w+) in ", written) == ["ExceptionGroup", "KeyError", "OSError"]
    assert "canary" not in written


def test_libraries_are_heard_from_warnings_on(start: Start) -> None:
    output = start("json", level="debug")
    logging.getLogger("pyzeebe").info("Got job with all its variables")
    logging.getLogger("aiosmtplib").debug("AUTH PLAIN ...")
    assert output() == ""


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_bounds_our_own_lines(level: str, heard: list[str], start: Start) -> None:
    output = start("json", level)
    log = new_log()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("line")
    assert [json.loads(line)["level"] for line in output().splitlines()] == heard


def test_logs_configured_twice_write_each_line_once(start: Start) -> None:
    start("json")
    output = start("json")
    new_log().info("once")
    assert len(output().splitlines()) == 1


def test_a_line_break_in_a_field_does_not_make_a_line(start: Start) -> None:
    output = start("json")
    new_log().info("reply", text='550 no\n{"event": "forged"}')
    assert len(output().splitlines()) == 1


UNCAUGHT = """
import threading, warnings
from worker import EmailWorker
from worker.logs import configure_logs, log_uncaught_errors
from worker.masking import Mask
from worker.settings import Settings

class Ignored:
    def __del__(self):
        raise ValueError("canary")

def fail():
    raise ValueError("canary")

configure_logs(Settings.from_environment({"EMAIL_WORKER_LOG_FORMAT": "json"}).worker, Mask())
log_uncaught_errors()
warnings.warn("old", UserWarning)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
ignored = Ignored()
del ignored
fail()
"""


def test_what_nobody_caught_is_a_line_like_any_other_and_not_quoted() -> None:
    # A process of its own: Python's hooks are there once, and pytest has taken them.
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [line["event"] for line in lines[1:]] == ["thread_failed", "error_ignored", "worker_failed"]
    assert "UserWarning: old" in lines[0]["event"]
    assert all("ValueError in " in line["exception"] for line in lines[1:])
    assert "canary" not in done.stderr


def test_the_secret_for_the_cluster_is_masked_like_those_of_mail_servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEEBE_CLIENT_ID", "worker")
    monkeypatch.setenv("ZEEBE_CLIENT_SECRET", "hunter2")
    assert (
        EmailWorker.from_environment().secrets.mask.hide("invalid_client: hunter2") == "invalid_client: ***"
    )
