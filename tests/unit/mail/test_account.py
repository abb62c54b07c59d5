"""Which server, which port, how it is encrypted, and whether it may be spoken to at all."""

from __future__ import annotations

from typing import Any

import pytest

from worker.errors import ServerNotAllowed
from worker.mail.account import Account, Encryption, MailProtocol, ServerPolicy, account_of
from worker.models.authentication import OptionalAuthentication
from worker.models.base import Server

SMTP, IMAP, POP3 = MailProtocol.SMTP, MailProtocol.IMAP, MailProtocol.POP3
CLEAR, STARTTLS, IMPLICIT = Encryption.NONE, Encryption.STARTTLS, Encryption.IMPLICIT


def account(protocol: MailProtocol = SMTP, host: str = "mail.example.com", **server: Any) -> Account:
    given = {"host": host, **server}
    return account_of(
        protocol, Server.model_validate(given), OptionalAuthentication.model_validate({"type": "noAuth"})
    )


@pytest.mark.parametrize(
    ("protocol", "server", "port", "encryption"),
    [
        (SMTP, {}, 587, STARTTLS),
        (SMTP, {"port": 25}, 25, STARTTLS),
        (SMTP, {"port": 2525}, 2525, STARTTLS),
        (SMTP, {"port": 465}, 465, IMPLICIT),
        (SMTP, {"cryptographicProtocol": "SSL"}, 465, IMPLICIT),
        (SMTP, {"cryptographicProtocol": "SSL", "port": 587}, 587, IMPLICIT),
        (SMTP, {"cryptographicProtocol": "NONE"}, 25, CLEAR),
        (SMTP, {"cryptographicProtocol": "NONE", "port": 465}, 465, CLEAR),
        (IMAP, {}, 993, IMPLICIT),
        (IMAP, {"port": 1993}, 1993, IMPLICIT),
        (IMAP, {"port": 143}, 143, STARTTLS),
        (IMAP, {"cryptographicProtocol": "SSL", "port": 143}, 143, IMPLICIT),
        (IMAP, {"cryptographicProtocol": "NONE"}, 143, CLEAR),
        (POP3, {}, 995, IMPLICIT),
        (POP3, {"port": 10_995}, 10_995, IMPLICIT),
        (POP3, {"port": 110}, 110, STARTTLS),
        (POP3, {"cryptographicProtocol": "SSL", "port": 110}, 110, IMPLICIT),
        (POP3, {"cryptographicProtocol": "NONE"}, 110, CLEAR),
    ],
)
def test_port_and_encryption_follow_from_protocol_and_what_is_asked_for(
    protocol: MailProtocol, server: dict[str, Any], port: int, encryption: Encryption
) -> None:
    made = account(protocol, **server)
    assert (made.port, made.encryption) == (port, encryption)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert account(host="2001:db8::1").server == "[2001:db8::1]:587"


def test_an_account_shows_neither_user_nor_password() -> None:
    sign_in = OptionalAuthentication.model_validate({"username": "alice", "password": "hunter2"})
    made = account_of(SMTP, Server.model_validate({"host": "h"}), sign_in)
    assert (made.username, made.password) == ("alice", "hunter2")
    assert "alice" not in repr(made)
    assert "hunter2" not in repr(made)


@pytest.mark.parametrize(
    ("patterns", "host", "is_admitted"),
    [
        ((), "anywhere.example.org", True),
        (("mail.example.com",), "mail.example.com", True),
        (("mail.example.com",), "MAIL.example.COM", True),
        (("mail.example.com:587",), "mail.example.com", True),
        (("mail.example.com:*",), "mail.example.com", True),
        (("mail.example.com:25",), "mail.example.com", False),
        (("*.example.com",), "mail.example.com", True),
        (("*.example.com",), "example.com", False),
        (("*.example.com",), "mail.example.com.evil.org", False),
        (("mail.example.com",), "mail.example.com.", True),
        (("mail.example.com",), "evil-mail.example.com", False),
        (("other.example.com", "mail?.example.com:587"), "mail2.example.com", True),
        (("[2001:db8::1]:587",), "2001:db8::1", True),
        (("[2001:db8::1]",), "2001:db8::1", True),
        (("2001:DB8:0:0::0001",), "2001:db8::1", True),
        (("Mail.Example.COM.:587",), "mail.example.com", True),
        (("2001:db8::1",), "[2001:db8::1]", True),
        (("[2001:db8::1]:25",), "2001:db8::1", False),
    ],
)
def test_only_servers_that_a_pattern_matches_are_admitted(
    patterns: tuple[str, ...], host: str, is_admitted: bool
) -> None:
    policy, made = ServerPolicy(patterns), account(host=host)
    if is_admitted:
        policy.admit(made)
        return
    with pytest.raises(ServerNotAllowed) as caught:
        policy.admit(made)
    assert made.server in caught.value.message
    assert (caught.value.details, caught.value.is_retryable) == ({"server": made.server}, False)
