"""Whatever a server sends, a session ends with a result or with one of our errors."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import MailServerError
from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.mailbox import Pop3Mailbox
from worker.mail.pop3.memory import MailboxMemory, mailbox_key, read_known_email
from worker.mail.pop3.session import Pop3Session
from worker.mail.timeouts import Timeouts

TLS = ssl.create_default_context()

good_answers = st.sampled_from(
    [
        b"+OK\r\n",
        b"+OK\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n",
        b"+OK\r\n1 100\r\n2 200\r\n.\r\n",
        b"+OK\r\n1 a\r\n2 b\r\n.\r\n",
        b"+OK\r\nSubject: x\r\n\r\n..dot\r\n.\r\n",
        b"-ERR no\r\n",
        b"-ERR [SYS/TEMP] no\r\n",
    ]
)
streams = st.lists(st.one_of(good_answers, st.binary(max_size=60)), max_size=14).map(b"".join)


def converse(stream: bytes) -> None:
    """Do all that a session can do, with a server whose every word is known beforehand."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as server:
        over = Event()
        server.submit(speak, listener, stream, over)
        account = Account(
            MailProtocol.POP3, "127.0.0.1", listener.getsockname()[1], Encryption.NONE, "ann", "s3cret"
        )
        limits = Pop3Limits(max_listing_bytes=1_000, max_message_bytes=1_000)
        connection = socket.create_connection(listener.getsockname())
        session = Pop3Session(account, connection, Timeouts(), limits)
        try:
            session.open(TLS)
            _, sizes = session.look()
            numbers = list(sizes) or [1]
            for number, block in session.headers(numbers):
                read_known_email(block, uid=str(number), size=0)
            list(session.messages(numbers))
            memory = MailboxMemory(limits.max_remembered_bytes)
            Pop3Mailbox(mailbox_key(account), session, memory, limits).delete_and_quit(numbers[0])
        finally:
            session.abort()
            over.set()


def speak(listener: socket.socket, stream: bytes, over: Event) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(stream)
        connection.shutdown(socket.SHUT_WR)
        over.wait(timeout=30)


@settings(max_examples=300, deadline=None)
@given(streams)
def test_any_bytes_end_in_a_result_or_in_an_error_of_the_worker(stream: bytes) -> None:
    with suppress(MailServerError):
        converse(stream)


def test_the_conversation_gets_to_its_end_with_a_good_server() -> None:
    capabilities = b"+OK\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n"
    mail = b"+OK\r\nSubject: x\r\n\r\n.\r\n"
    converse(
        b"+OK\r\n"
        + capabilities
        + b"+OK\r\n" * 2
        + b"+OK\r\n1 a\r\n.\r\n+OK\r\n1 100\r\n.\r\n"
        + mail * 2
        + b"+OK\r\n" * 2
    )
