from __future__ import annotations

import pytest

from worker.errors import AuthenticationFailed, MailboxBusy, MailServerError, ServerRefused, ServerUnavailable
from worker.mail.refusals import meaning_of


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("[AUTHENTICATIONFAILED] Too many attempts, try again later", AuthenticationFailed),
        ("[AUTH] Temporary problem", AuthenticationFailed),
        ("Invalid user name or password, try again", AuthenticationFailed),
        (
            "Login fail. password is incorrect, login frequency limited, or system is busy",
            AuthenticationFailed,
        ),
        ("User is authenticated but not connected.", ServerUnavailable),
        ("Request is throttled. Suggested Backoff Time: 299961 milliseconds", ServerUnavailable),
        ("Server Unavailable. 21", ServerUnavailable),
        ("Backend is currently unavailable", ServerUnavailable),
        ("Exceeded the login limit for a 15 minute period", ServerUnavailable),
        ("Connection limit exceeded", ServerUnavailable),
        ("login frequency limited", ServerUnavailable),
        ("Request rate exceeded", ServerUnavailable),
        ("Account exceeded command or bandwidth limits. 42mb1", ServerUnavailable),
        ("Maximum number of connections from user+IP exceeded", ServerUnavailable),
        ("UID SEARCH Server error - Please try again later", ServerUnavailable),
        ("Please try later", ServerUnavailable),
        ("Try again in 5 minutes", ServerUnavailable),
        ("System is busy", ServerUnavailable),
        ("Database error", ServerUnavailable),
        ("Could not connect to server", ServerUnavailable),
        ("Cannot contact the authentication service", ServerUnavailable),
        ("LOGIN failed (timeout)", ServerUnavailable),
        ("Unable to open mailbox: timed out", ServerUnavailable),
        ("server overloaded", ServerUnavailable),
        ("[SYS/TEMP/DISK] x", ServerUnavailable),
        ("[THROTTLED] x", ServerUnavailable),
        ("[SYS/PERM] corrupt, try again later", ServerRefused),
        ("[IN-USE] x", MailboxBusy),
        ("[INUSE] x", MailboxBusy),
        ("Unable to lock maildrop: Mailbox is locked by POP server", MailboxBusy),
        ("Your mail box is in use", MailboxBusy),
        ("Your mailbox is being accessed by another session", MailboxBusy),
        ("can't get lock, another POP session is active", MailboxBusy),
        ("user is already logged in", MailboxBusy),
        ("Connection is closed. 13", ServerUnavailable),
        ("Some messages were expunged by another session", None),
        ("[NOPERM] Permission denied", ServerRefused),
        ("Mailbox does not exist", None),
        ("no such message", None),
        ("Your account is locked", None),
        ("please try again", None),
    ],
)
def test_a_refusal_is_understood_by_its_code_or_its_words(
    text: str, meaning: type[MailServerError] | None
) -> None:
    assert meaning_of(text) is meaning
