"""One POP3 session on poplib (RFC 1939, 2449, 2595, 5034). Its methods block and belong in a thread."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from worker.errors import (
    AuthenticationFailed,
    ResultTooLarge,
    ServerRefused,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account, Encryption, MailProtocol
from worker.mail.command_trace import traced, traced_step
from worker.mail.pop3.dialogue import Pop3Dialogue
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.replies import read_capabilities, read_sizes, read_uids, wants_sasl
from worker.mail.sasl import token_exchange, token_refusal
from worker.mail.timeouts import Timeouts

_WANTED_AFTER_SIGN_IN = frozenset({"PIPELINING", "TOP", "UIDL"})

T = TypeVar("T")


class Pop3Session(Pop3Dialogue):
    """A session from the connection to QUIT. Every method raises a MailServerError if it fails.

    Message numbers are valid only within the session.
    """

    def __init__(
        self, account: Account, connection: socket.socket, timeouts: Timeouts, limits: Pop3Limits
    ) -> None:
        super().__init__(account.server, connection, timeouts)
        self._account = account
        self._limits = limits
        self._capabilities: Mapping[str, Sequence[str]] | None = None
        self._has_top: bool | None = None

    def open(self, tls_context: ssl.SSLContext) -> None:
        """Take the greeting, encrypt as the account asks, and sign in. Locks the mailbox."""
        self.connection.octets = self._limits.max_sign_in_bytes
        if self._account.encryption is Encryption.IMPLICIT:
            self._start_tls(tls_context)
        seconds = self.timeouts.greeting_seconds
        with (
            traced_step(MailProtocol.POP3, self.server, "greeting"),
            self.step(self.doing, ServerUnavailable, seconds),
        ):
            self.accept(self.read_line())
        self._capabilities = self._ask_capabilities()
        if self._account.encryption is Encryption.STARTTLS:
            self._encrypt(tls_context)
        self._sign_in()
        if not self._capabilities or not self._capabilities.keys() >= _WANTED_AFTER_SIGN_IN:
            # RFC 2449, section 5: some are announced only after the sign-in.
            self._capabilities = self._ask_capabilities() or self._capabilities
        self._has_top = None if self._capabilities is None else "TOP" in self._capabilities
        self.connection.octets = self._limits.max_operation_bytes

    def look(self) -> tuple[Mapping[int, str], Mapping[int, int]]:
        """Return unique ids (UIDL) and octets (LIST), each by message number; no ids if there are none."""
        uids: Mapping[int, str] = {}
        if self._may_offer("UIDL"):
            with suppress(ServerRefused):
                uids = self.uids()
        try:
            return uids, self._ask_listing("LIST", read_sizes)
        except ServerRefused:
            if not self._is_empty():
                raise
            return {}, {}  # some servers refuse to list nothing

    def uids(self) -> dict[int, str]:
        """Return the unique id of each message by its number (UIDL)."""
        return self._ask_listing("UIDL", read_uids)

    def uid_at(self, number: int, *, is_deleted: bool = False) -> str | None:
        """Return the unique id of the message that now has this number; None if the server has none.

        The whole listing decides if the reply for a single message cannot be read, or is refused although
        nobody has deleted the message.
        """
        if not self._may_offer("UIDL"):
            return None
        try:
            reply = self.ask(f"UIDL {number}")
        except ServerRefused:
            if is_deleted:
                return None
        else:
            with suppress(ValueError):
                if uid := read_uids(reply).get(number):
                    return uid
            self.skip_lines()
        with suppress(ServerRefused):
            return self.uids().get(number)
        return None

    def headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield each number with its header section, without messages that are gone. Exhaust it.

        Several TOP commands are sent ahead of their replies if the server announces that it takes them: ten
        thousand headers at 5 ms away take 2 seconds instead of 61. Without TOP, or if that is refused or
        comes blank, whole messages pass by, of which only the beginning is kept.
        """
        limits = self._limits
        takes_several = self._capabilities is not None and "PIPELINING" in self._capabilities
        window = limits.top_window if takes_several else 1
        for start in range(0, len(numbers), window):
            batch = missing = numbers[start : start + window]
            if self._has_top is not False:
                lines = [f"TOP {number} 0" for number in batch]
                missing = []
                for number, block in zip(
                    batch,
                    self.ask_all_lines(lines, limits.max_message_bytes, limits.max_header_bytes),
                    strict=True,
                ):
                    if block and not block.isspace():
                        yield number, block
                    else:
                        missing.append(number)
                    self._has_top = self._has_top or block is not None
            yield from self.messages(missing, limits.max_header_bytes)

    def messages(self, numbers: Sequence[int], keep_bytes: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield each number with its whole message (RETR), or the first `keep_bytes` or so of it.

        Messages that are gone are left out. One at a time is in memory, if the caller keeps none.
        """
        for number in numbers:
            try:
                block = self.ask_lines(f"RETR {number}", self._limits.max_message_bytes, keep_bytes)
            except ServerRefused:
                if self._has(number):
                    raise
            else:
                yield number, block

    def mark_deleted(self, number: int) -> None:
        """Mark a message: it goes when the server takes QUIT, and should not before (DELE)."""
        self.say(f"DELE {number}", lambda: self.pop.dele(number))

    def unmark_all(self) -> None:
        """Take the marks back (RSET)."""
        self.say("RSET", self.pop.rset)

    def quit(self) -> None:
        """Delete what is marked and end the session; return when the server says that it has."""
        self.say("QUIT", self.pop.quit)
        self.is_in_step = False

    def _start_tls(self, tls_context: ssl.SSLContext) -> None:
        with traced_step(MailProtocol.POP3, self.server, "tls"):
            self.connection.allow("begin TLS", self.timeouts.tls_seconds, self.connection.octets)
            self.connection.start_tls(tls_context, self._account.host)

    def _encrypt(self, tls_context: ssl.SSLContext) -> None:
        """Encrypt by STLS (RFC 2595), which must succeed; earlier replies may come from anybody.

        Not by poplib's `stls`, which collects the capabilities without a bound.
        """
        refused = f"{self.server} does not offer STLS, which would encrypt the connection; use its TLS port."
        if not self._may_offer("STLS"):
            raise TlsFailed(refused, server=self.server)
        try:
            self.ask("STLS")
        except ServerRefused as error:
            raise TlsFailed(refused, server=self.server) from error
        self._start_tls(tls_context)
        self._capabilities = self._ask_capabilities()

    def _sign_in(self) -> None:
        if self._account.token is not None:
            self._show_token()
            return
        username, password = self._account.username or "", self._account.password or ""
        if wants_sasl(self._capabilities, username, password):
            # poplib has no SASL. The response goes alone: a line has 255 octets at most (RFC 5034, 4).
            response = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
            self._give_credentials("AUTH", lambda: self.exchange("AUTH PLAIN"), b"+")
            self._give_credentials("SASL", lambda: self.exchange(response))
        else:
            self._give_credentials("USER", lambda: self.pop.user(username))
            self._give_credentials("PASS", lambda: self.pop.pass_(password))

    def _show_token(self) -> None:
        """Sign in by an access token, and ask for the reason if it is refused."""
        exchange = token_exchange(self._account, (self._capabilities or {}).get("SASL", ()))
        challenges: list[bytes] = []

        def respond() -> bytes:
            reply = self.exchange(exchange.response.decode())
            if reply.startswith(b"+ "):
                challenges.append(reply[2:])
                reply = self.exchange(exchange.last_word.decode())
            return reply

        try:
            self._give_credentials("AUTH", lambda: self.exchange(f"AUTH {exchange.mechanism}"), b"+")
            self._give_credentials("SASL", respond)
        except AuthenticationFailed as error:
            reason = error.message.partition("(")[2].rpartition(")")[0]
            raise token_refusal(self.server, reason, b"".join(challenges)) from error

    def _give_credentials(self, name: str, talk: Callable[[], bytes], go_on: bytes | None = None) -> None:
        """Give a command of which no more than its name gets into errors and traces."""
        seconds = self.timeouts.login_seconds
        with (
            traced(MailProtocol.POP3, self.server, name),
            self.step("the sign-in", AuthenticationFailed, seconds),
        ):
            reply = talk()
            if reply.strip() != go_on:
                self.accept(reply)

    def _ask_capabilities(self) -> Mapping[str, Sequence[str]] | None:
        """Not by poplib's `capa`, which takes a broken connection for a server without capabilities."""
        with suppress(ServerRefused):
            seconds = self.timeouts.login_seconds
            return read_capabilities(self.ask_lines("CAPA", self._limits.max_sign_in_bytes, seconds=seconds))
        return None

    def _may_offer(self, capability: str) -> bool:
        return self._capabilities is None or capability in self._capabilities

    def _ask_listing(self, command: str, read: Callable[[bytes], dict[int, T]]) -> dict[int, T]:
        limit = self._limits.max_messages
        block = self.ask_lines(command, self._limits.max_listing_bytes)
        if block.count(b"\n") > limit:
            raise ResultTooLarge(
                f"The mailbox at {self.server} has more than {limit} messages; remove some.", limit=limit
            )
        with self.step(command):
            return read(block)

    def _is_empty(self) -> bool:
        """Tell whether the server says that there is no message (STAT)."""
        with suppress(ServerRefused):
            return self.ask("STAT").split()[:1] == [b"0"]
        return False

    def _has(self, number: int) -> bool:
        """Tell whether there is a message of this number, or none any more."""
        with suppress(ServerRefused):
            return bool(self.ask(f"LIST {number}"))
        return False
