"""The servers that the tests of this directory talk to, and the accounts they have.

A real server is a process of its own, started and ended without an event loop; one of each serves a
whole session, and a test has it to itself by an account of its own. Scripted servers and proxies live
on the loop of the test that starts them, so that is where they are made: `async with` in the test.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from testkit.accounts import Account
from testkit.certificates import Certificates
from testkit.cyrus import Cyrus
from testkit.dovecot import Dovecot
from testkit.postfix import Postfix

if TYPE_CHECKING:
    from collections.abc import Iterator

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """A Dovecot as Debian's usually is. Do not kill it: start one of your own for that."""
    with Dovecot(certificates.server) as server:
        yield server


@pytest.fixture
def dovecot_account(dovecot: Dovecot) -> Account:
    """An account of this test's own at `dovecot`, with an empty mailbox."""
    return dovecot.add_user(f"user{next(numbers)}", "s3cret")


@pytest.fixture(scope="session")
def postfix(certificates: Certificates) -> Iterator[Postfix]:
    """A Postfix that takes mail from anybody to anybody; a test has its own recipients."""
    with Postfix(certificates.server) as server:
        yield server


@pytest.fixture(scope="session")
def cyrus(certificates: Certificates) -> Iterator[Cyrus]:
    """A Cyrus: IMAP and POP3 of a third make, beside Dovecot and GreenMail."""
    with Cyrus(certificates.server) as server:
        yield server


@pytest.fixture
def cyrus_account(cyrus: Cyrus) -> Account:
    """An account of this test's own at `cyrus`, with an empty mailbox."""
    return cyrus.add_user(f"user{next(numbers)}", "s3cret")
