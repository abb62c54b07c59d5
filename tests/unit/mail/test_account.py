"""Which encryption a server is spoken to with: three words in the diagram, and the port."""

from __future__ import annotations

import pytest

from worker.mail.account import Encryption, MailProtocol, account_of
from worker.models.base import Authentication, Server

ANN = Authentication(username="ann", password="s3cret")


@pytest.mark.parametrize(
    ("protocol", "name", "port", "encryption"),
    [
        (MailProtocol.POP3, "TLS", 995, Encryption.IMPLICIT),
        (MailProtocol.POP3, "TLS", 10_995, Encryption.IMPLICIT),
        (MailProtocol.POP3, "TLS", 110, Encryption.STARTTLS),
        (MailProtocol.POP3, "SSL", 110, Encryption.IMPLICIT),
        (MailProtocol.POP3, "NONE", 110, Encryption.NONE),
        (MailProtocol.IMAP, "TLS", 993, Encryption.IMPLICIT),
        (MailProtocol.IMAP, "TLS", 143, Encryption.STARTTLS),
        (MailProtocol.SMTP, "TLS", 587, Encryption.STARTTLS),
        (MailProtocol.SMTP, "TLS", 465, Encryption.IMPLICIT),
        (MailProtocol.SMTP, "SSL", 587, Encryption.IMPLICIT),
    ],
)
def test_tls_is_from_the_first_byte_but_where_the_port_begins_in_the_clear(
    protocol: MailProtocol, name: str, port: int, encryption: Encryption
) -> None:
    server = Server.model_validate({"host": "mail", "port": port, "cryptographicProtocol": name})
    assert account_of(protocol, server, ANN).encryption is encryption


@pytest.mark.parametrize(
    ("protocol", "name", "port"),
    [
        (MailProtocol.POP3, "TLS", 995),
        (MailProtocol.POP3, "NONE", 110),
        (MailProtocol.IMAP, "TLS", 993),
        (MailProtocol.SMTP, "TLS", 587),
        (MailProtocol.SMTP, "SSL", 465),
    ],
)
def test_a_port_that_is_not_given_is_the_usual_one(protocol: MailProtocol, name: str, port: int) -> None:
    server = Server.model_validate({"host": "mail", "cryptographicProtocol": name})
    assert account_of(protocol, server, ANN).port == port
