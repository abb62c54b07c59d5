"""What is noted of the commands to mail servers."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.mail.account import MailProtocol
from worker.mail.command_trace import (
    Step,
    begin_command_trace,
    detach_command_trace,
    traced,
    traced_step,
)

SMTP, IMAP, POP3 = MailProtocol.SMTP, MailProtocol.IMAP, MailProtocol.POP3
SERVER = "mail.example.com:993"


@pytest.mark.parametrize(
    ("protocol", "line", "name"),
    [
        (SMTP, "MAIL FROM:<a@example.com> SIZE=3", "MAIL"),
        (SMTP, "AUTH PLAIN AGFsaWNlAHB3", "AUTH"),
        (SMTP, "aHVudGVyMg==", "SASL"),
        (SMTP, "hunter2", "SASL"),
        (SMTP, "", "SASL"),
        (SMTP, ".", "END-OF-DATA"),
        (IMAP, 'LOGIN "alice" "hunter2"', "LOGIN"),
        (IMAP, "UID FETCH 1:* (UID)", "UID FETCH"),
        (IMAP, "uid search ALL", "UID SEARCH"),
        (IMAP, "NOOP", "NOOP"),
        (IMAP, "UID hunter2", "SASL"),
        (POP3, "PASS hunter2", "PASS"),
        (POP3, "PASS", "PASS"),
        (POP3, "hunter2 PASS", "SASL"),
    ],
)
def test_a_command_is_noted_by_its_name_alone(protocol: MailProtocol, line: str, name: str) -> None:
    step = traced(protocol, SERVER, line)
    assert step.commands == (name,)
    assert step.name == name
    assert "hunter2" not in repr(step)


def test_commands_sent_together_are_one_round_trip() -> None:
    trace = begin_command_trace()
    with traced(SMTP, SERVER, "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<e@f>", "DATA"):
        pass
    assert (trace.command_count, trace.round_trips) == (4, 1)
    assert [(step.name, step.server) for step in trace.steps] == [("MAIL RCPT DATA", SERVER)]


def test_a_step_without_a_command_takes_time_but_is_not_counted() -> None:
    trace = begin_command_trace()
    with traced_step(IMAP, SERVER, "connect"):
        pass
    assert [step.name for step in trace.steps] == ["connect"]
    assert (trace.command_count, trace.round_trips) == (0, 0)
    assert trace.seconds == trace.steps[0].seconds


def test_a_step_ends_when_it_fails_too() -> None:
    trace = begin_command_trace()
    with pytest.raises(OSError, match="broken"), traced(POP3, SERVER, "LIST"):
        raise OSError("broken")
    assert trace.steps[0].ended_at > trace.steps[0].started_at


def test_of_very_many_steps_the_first_are_kept_and_all_are_counted() -> None:
    seen: list[Step] = []
    trace = begin_command_trace(seen.append)
    for _ in range(1_000):
        with traced(POP3, SERVER, "TOP 1 0"):
            pass
    assert len(trace.steps) == 200
    assert (trace.command_count, trace.round_trips, len(seen)) == (1_000, 1_000, 1_000)
    assert trace.seconds == pytest.approx(sum(step.seconds for step in seen))


async def test_each_task_has_its_own_trace() -> None:
    async def work(count: int) -> int:
        trace = begin_command_trace()
        for _ in range(count):
            with traced(SMTP, SERVER, "NOOP"):
                await asyncio.sleep(0)
        return trace.command_count

    assert list(await asyncio.gather(work(1), work(2), work(3))) == [1, 2, 3]


def test_a_thread_with_the_context_adds_to_the_trail() -> None:
    trace = begin_command_trace()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(contextvars.copy_context().run, traced, IMAP, SERVER, "NOOP").result()
    assert trace.command_count == 1


def test_without_a_trace_nothing_is_kept() -> None:
    assert contextvars.Context().run(traced, IMAP, SERVER, "NOOP").commands == ("NOOP",)


def test_a_command_that_is_nobodys_work_is_observed_but_is_in_no_trail() -> None:
    seen: list[Step] = []
    trace = begin_command_trace(seen.append)
    detach_command_trace()
    traced(SMTP, SERVER, "QUIT")
    assert (trace.command_count, len(seen)) == (0, 1)
