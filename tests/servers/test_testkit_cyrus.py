from __future__ import annotations

import imaplib
import poplib
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testkit.accounts import Account
    from testkit.certificates import Certificates
    from testkit.cyrus import Cyrus

RAW = b"Subject: hello\r\n\r\nbody\r\n"


def test_cyrus_serves_imap_and_pop3_with_and_without_tls(
    cyrus: Cyrus, cyrus_account: Account, certificates: Certificates
) -> None:
    trust, user = certificates.client_context(), cyrus_account.username
    cyrus.deliver(user, RAW)
    with imaplib.IMAP4_SSL("localhost", cyrus.imaps_port, ssl_context=trust, timeout=60) as imap:
        imap.login(user, cyrus_account.password)
        assert imap.select()[1] == [b"1"]
    with imaplib.IMAP4(cyrus.host, cyrus.imap_port, timeout=60) as plain_imap:
        plain_imap.login(user, cyrus_account.password)
    for pop3 in (
        poplib.POP3_SSL("localhost", cyrus.pop3s_port, context=trust, timeout=60),
        poplib.POP3(cyrus.host, cyrus.pop3_port, timeout=60),
    ):
        with closing(pop3):
            pop3.user(user)
            pop3.pass_(cyrus_account.password)
            assert pop3.stat()[0] == 1
            pop3.quit()


def test_cyrus_contains_the_delivered_emails(cyrus: Cyrus, cyrus_account: Account) -> None:
    received = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    cyrus.deliver(cyrus_account.username, RAW, "Work/Done", flags=["\\Seen"], received=received)
    (message,) = cyrus.messages(cyrus_account.username, "Work/Done")
    assert (message.raw, message.received, set(message.flags), message.uid) == (RAW, received, {"\\Seen"}, 1)
    assert cyrus.messages(cyrus_account.username) == []
    assert cyrus.messages(cyrus_account.username, "Nowhere") == []


def test_cyrus_takes_any_unicode_in_a_password_and_no_wrong_one(cyrus: Cyrus) -> None:
    cyrus.add_user("zoe", "pässword {x}")
    cyrus.deliver("zoe", RAW)
    with imaplib.IMAP4(cyrus.host, cyrus.imap_port, timeout=60) as imap, pytest.raises(imaplib.IMAP4.error):
        imap.login("zoe", "wrong")
