"""What is noted of the commands to mail servers."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.mail.account import MailProtocol
from worker.mail.trail import Step, begin_trail, leave_trail, note_commands, noted, noted_step

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
    step = note_commands(protocol, SERVER, [line])
    assert step.commands == (name,)
    assert step.name == name
    assert "hunter2" not in repr(step)


def test_commands_sent_together_are_one_round_trip() -> None:
    trail = begin_trail()
    with noted(SMTP, SERVER, "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<e@f>", "DATA"):
        pass
    assert (trail.command_count, trail.round_trips) == (4, 1)
    assert [(step.name, step.server) for step in trail.steps] == [("MAIL RCPT DATA", SERVER)]


def test_what_is_no_command_takes_time_but_is_not_counted() -> None:
    trail = begin_trail()
    with noted_step(IMAP, SERVER, "connect"):
        pass
    assert [step.name for step in trail.steps] == ["connect"]
    assert (trail.command_count, trail.round_trips) == (0, 0)
    assert trail.seconds == trail.steps[0].seconds


def test_a_step_ends_when_it_fails_too() -> None:
    trail = begin_trail()
    with pytest.raises(OSError, match="broken"), noted(POP3, SERVER, "LIST"):
        raise OSError("broken")
    assert trail.steps[0].ended_at > trail.steps[0].started_at


def test_of_very_many_steps_the_first_are_kept_and_all_are_counted() -> None:
    seen: list[Step] = []
    trail = begin_trail(seen.append)
    for _ in range(1_000):
        with noted(POP3, SERVER, "TOP 1 0"):
            pass
    assert len(trail.steps) == 200
    assert (trail.command_count, trail.round_trips, len(seen)) == (1_000, 1_000, 1_000)
    assert trail.seconds == pytest.approx(sum(step.seconds for step in seen))


async def test_each_task_has_a_trail_of_its_own() -> None:
    async def work(count: int) -> int:
        trail = begin_trail()
        for _ in range(count):
            with noted(SMTP, SERVER, "NOOP"):
                await asyncio.sleep(0)
        return trail.command_count

    assert list(await asyncio.gather(work(1), work(2), work(3))) == [1, 2, 3]


def test_a_thread_with_the_context_adds_to_the_trail() -> None:
    trail = begin_trail()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(contextvars.copy_context().run, note_commands, IMAP, SERVER, ["NOOP"]).result()
    assert trail.command_count == 1


def test_without_a_trail_nothing_is_kept() -> None:
    assert contextvars.Context().run(note_commands, IMAP, SERVER, ["NOOP"]).commands == ("NOOP",)


def test_a_command_that_is_nobodys_work_is_observed_but_is_in_no_trail() -> None:
    seen: list[Step] = []
    trail = begin_trail(seen.append)
    leave_trail()
    note_commands(SMTP, SERVER, ["QUIT"])
    assert (trail.command_count, len(seen)) == (0, 1)
