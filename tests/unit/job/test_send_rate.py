from __future__ import annotations

from worker.job.admission import NotAdmitted
from worker.job.send_rate import SendRate
from worker.mail.account import Account, Encryption, MailProtocol


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pause(rate: SendRate, user: str) -> float:
    """Return the seconds after which to try again; 0 for an email that may be sent."""
    account = Account(MailProtocol.SMTP, "mail.example.com", 587, Encryption.STARTTLS, user)
    try:
        rate.admit(account)
    except NotAdmitted as refused:
        return refused.backoff_seconds
    return 0


def test_an_account_sends_so_many_within_any_minute() -> None:
    clock = Clock()
    rate = SendRate(2, clock)
    assert pause(rate, "ann") == 0
    clock.now = 20
    assert pause(rate, "ann") == 0
    assert pause(rate, "ann") == 40
    assert pause(rate, "bob") == 0
    clock.now = 61
    assert pause(rate, "ann") == 0
    assert pause(rate, "ann") == 19


def test_those_refused_one_after_the_other_come_back_one_after_the_other() -> None:
    rate = SendRate(3, Clock())
    assert [pause(rate, "ann") for _ in range(6)] == [0, 0, 0, 60, 80, 100]


def test_without_a_limit_no_job_is_refused() -> None:
    rate = SendRate(0, Clock())
    assert [pause(rate, "ann") for _ in range(100)] == [0] * 100
