from __future__ import annotations

import imaplib
import poplib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from testkit.dovecot import Dovecot, DovecotOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.accounts import Account
    from testkit.certificates import Certificates

RAW = b"Subject: hello\r\n\r\nbody\r\n"


@contextmanager
def imap_login(server: Dovecot, account: Account) -> Iterator[imaplib.IMAP4]:
    session = imaplib.IMAP4(server.host, server.imap_port, timeout=60)
    try:
        session.authenticate("PLAIN", lambda _: f"\0{account.username}\0{account.password}".encode())
        yield session
    finally:
        session.shutdown()


def test_dovecot_shows_a_certificate_that_a_client_of_our_authority_trusts(
    dovecot: Dovecot, certificates: Certificates
) -> None:
    trust = certificates.client_context()
    with imaplib.IMAP4_SSL("localhost", dovecot.imaps_port, ssl_context=trust) as imap:
        assert imap.welcome.startswith(b"* OK")
    pop3 = poplib.POP3_SSL("localhost", dovecot.pop3s_port, context=trust)
    assert pop3.quit().startswith(b"+OK")


def test_dovecot_takes_any_unicode_in_a_password(dovecot: Dovecot) -> None:
    with imap_login(dovecot, dovecot.add_user("zoë", 'pässword {x} "§\\:')) as imap:
        assert imap.select()[0] == "OK"


def test_dovecot_contains_the_delivered_emails_and_shows_their_changes(
    dovecot: Dovecot, dovecot_account: Account
) -> None:
    user = dovecot_account.username
    dovecot.deliver(user, RAW)
    dovecot.deliver(user, RAW, "Ablage/März 1.2", flags=["\\Seen", "\\Deleted"])
    with imap_login(dovecot, dovecot_account) as imap:
        imap.select()
        imap.store("1", "+FLAGS", "\\Flagged")
    (inbox,) = dovecot.messages(user)
    (filed,) = dovecot.messages(user, "Ablage/März 1.2")
    assert (inbox.raw, inbox.uid, set(inbox.flags)) == (RAW, 1, {"\\Flagged"})
    assert filed.flags == {"\\Seen", "\\Deleted"}
    assert dovecot.folders(user) == ["Ablage/März 1.2"]


def test_dovecot_is_filled_with_ten_thousand_messages(dovecot: Dovecot, dovecot_account: Account) -> None:
    dovecot.populate(dovecot_account.username, 10_000)
    with imap_login(dovecot, dovecot_account) as imap:
        assert imap.select()[1] == [b"10000"]
        assert imap.fetch("10000", "(UID INTERNALDATE)")[1] == [
            b'10000 (UID 10000 INTERNALDATE "21-Nov-2023 20:53:20 +0000")'
        ]


def test_dovecot_divides_folders_by_a_dot_under_a_prefix_when_told(certificates: Certificates) -> None:
    with Dovecot(certificates.server, DovecotOptions(delimiter=".", prefix="INBOX.")) as server:
        account = server.add_user("ann", "s3cret")
        server.populate("ann", 3, "Work/Done")
        with imap_login(server, account) as imap:
            assert imap.select("INBOX.Work.Done")[1] == [b"3"]
            assert imap.namespace()[1] == [b'(("INBOX." ".")) NIL NIL']


def test_dovecot_refuses_a_sign_in_before_tls_if_configured(certificates: Certificates) -> None:
    with Dovecot(certificates.server, DovecotOptions(takes_plaintext_logins=False)) as server:
        server.add_user("ann", "s3cret")
        with imaplib.IMAP4(server.host, server.imap_port, timeout=60) as imap:
            assert "LOGINDISABLED" in imap.capabilities
            imap.starttls(certificates.client_context())
            assert imap.login("ann", "s3cret")[0] == "OK"


def test_dovecot_names_only_the_capabilities_that_it_is_told(certificates: Certificates) -> None:
    with Dovecot(certificates.server, DovecotOptions(capability="IMAP4rev1 UIDPLUS")) as server:
        account = server.add_user("ann", "s3cret")
        with imap_login(server, account) as imap:
            assert imap.capability()[1][-1] == b"IMAP4rev1 UIDPLUS"


def test_dovecot_lets_one_pop3_session_in_when_it_locks_the_mailbox(certificates: Certificates) -> None:
    with Dovecot(certificates.server, DovecotOptions(locks_maildrop=True)) as server:
        server.add_user("ann", "s3cret")
        first, second = (poplib.POP3(server.host, server.pop3_port, timeout=60) for _ in range(2))
        with closing(first), closing(second):
            first.user("ann")
            first.pass_("s3cret")
            second.user("ann")
            with pytest.raises(poplib.error_proto, match="IN-USE"):
                second.pass_("s3cret")


def test_a_killed_dovecot_comes_back_with_its_mail_on_its_ports(certificates: Certificates) -> None:
    with Dovecot(certificates.server) as server:
        account = server.add_user("ann", "s3cret")
        server.deliver("ann", RAW)
        with imap_login(server, account) as imap:
            server.kill()
            with pytest.raises((imaplib.IMAP4.abort, ConnectionError)):
                imap.noop()
        server.start()
        with imap_login(server, account) as imap:
            assert imap.select()[1] == [b"1"]
