"""One POP3 session (RFC 1939, 2449, 2595, 5034). Its methods block and belong in a thread."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from worker.errors import ServerRefused, TlsFailed
from worker.mail.account import Account, Encryption
from worker.mail.deadline_socket import DeadlineSocket
from worker.mail.pop3.limits import Pop3Limits
from worker.mail.pop3.listings import Listings
from worker.mail.pop3.replies import (
    Capabilities,
    read_capabilities,
    read_uids,
    wants_sasl,
)
from worker.mail.pop3.wire import Pop3Wire
from worker.mail.timeouts import Timeouts

_WANTED_AFTER_LOGIN = frozenset({"PIPELINING", "TOP", "UIDL"})


class Pop3Session:
    """A session from greeting to QUIT. Every method raises a MailServerError where it fails.

    Message numbers hold within the session alone. Only `cut` may be called from another thread.
    """

    def __init__(
        self, account: Account, connection: DeadlineSocket, timeouts: Timeouts, limits: Pop3Limits
    ) -> None:
        self.server = account.server
        self._account = account
        self._wire = Pop3Wire(account.server, connection)
        self._timeouts = timeouts
        self._limits = limits
        self._capabilities: Capabilities | None = None
        self._has_top: bool | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the next command may be sent: connected, and in step with the server."""
        return self._wire.is_usable

    def open(self, tls_context: ssl.SSLContext) -> None:
        """Take the greeting, encrypt as the account asks, and sign in. Locks the maildrop."""
        if self._account.encryption is Encryption.IMPLICIT:
            self._wire.start_tls(tls_context, self._account.host, self._timeouts.tls_seconds)
        self._wire.greet(self._timeouts.greeting_seconds)
        self._capabilities = self._ask_capabilities()
        if self._account.encryption is Encryption.STARTTLS:
            self._encrypt(tls_context)
        self._sign_in()
        if not self._capabilities or not self._capabilities.names >= _WANTED_AFTER_LOGIN:
            # RFC 2449, section 5: some are announced only after the sign-in.
            self._capabilities = self._ask_capabilities() or self._capabilities

    def look(self, listings: Listings) -> tuple[Mapping[int, str] | None, Mapping[int, int]]:
        """Return unique ids (UIDL) and octets (LIST), each by message number; no ids where there are none.

        One round trip where the server takes several commands at once. `listings` reads what has changed.
        """
        readers: dict[str, Callable[[bytes], Any]] = {
            "UIDL": listings.read_uids,
            "LIST": listings.read_sizes,
        }
        if not self._may_offer("UIDL"):
            del readers["UIDL"]
        *uids, sizes = self._wire.ask_for_listings(
            readers,
            self._window(len(readers)),
            max_bytes=self._limits.max_listing_bytes,
            within_seconds=self._timeouts.transfer_seconds,
        )
        if isinstance(sizes, ServerRefused):
            raise sizes
        return (None if not uids or isinstance(uids[0], ServerRefused) else uids[0]), sizes

    def uids(self) -> dict[int, str]:
        """Return the unique id of each message by its number (UIDL)."""
        return self._wire.ask_for_lines(
            "UIDL",
            read_uids,
            max_bytes=self._limits.max_listing_bytes,
            within_seconds=self._timeouts.transfer_seconds,
        )

    def uid_at(self, number: int) -> str | None:
        """Return the unique id of the message that now has this number; None where the server has none."""
        if not self._may_offer("UIDL"):
            return None
        with suppress(ServerRefused, ValueError):
            return read_uids(self._wire.ask(f"UIDL {number}", self._timeouts.command_seconds)).get(number)
        return None

    def headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
        """Yield each number with its header section; None where the message is gone. Exhaust it.

        Without TOP, whole messages pass by, of which only the beginning is kept.
        """
        if self._has_top is None:
            self._has_top = self._may_offer("TOP") and self._takes_top(numbers[0])
        if not self._has_top:
            return self._retrieve(numbers, self._limits.max_header_bytes)
        return self._fetch_headers(numbers)

    def messages(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
        """Yield each number with its whole message; None where it is gone. Exhaust it.

        One message at a time is in memory, if the caller keeps none.
        """
        return self._retrieve(numbers, self._limits.max_message_bytes)

    def mark_deleted(self, number: int) -> None:
        """Mark a message: it goes when the server takes QUIT, and should not before (DELE)."""
        self._wire.ask(f"DELE {number}", self._timeouts.command_seconds)

    def unmark_all(self) -> None:
        """Take the marks back (RSET)."""
        self._wire.ask("RSET", self._timeouts.command_seconds)

    def quit(self, within_seconds: float | None = None) -> None:
        """Delete what is marked and end the session; returns when the server says that it has."""
        self._wire.ask("QUIT", within_seconds or self._timeouts.command_seconds)
        self._wire.is_usable = False

    def cut(self) -> None:
        """End the connection without QUIT: nothing is deleted (RFC 1939, section 6). Never raises."""
        self._wire.cut()

    def close(self) -> None:
        """Give back the descriptor, when no thread is at work here any more."""
        self._wire.close()

    def _encrypt(self, tls_context: ssl.SSLContext) -> None:
        """Encrypt by STLS (RFC 2595), which must succeed; what was said before does not count."""
        refused = f"{self.server} does not offer STLS, which would encrypt the connection; use its TLS port."
        if not self._may_offer("STLS"):
            raise TlsFailed(refused, server=self.server)
        try:
            self._wire.ask("STLS", self._timeouts.command_seconds)
        except ServerRefused as error:
            raise TlsFailed(refused, server=self.server) from error
        self._wire.start_tls(tls_context, self._account.host, self._timeouts.tls_seconds)
        self._wire.forget_what_came()
        self._capabilities = self._ask_capabilities()

    def _sign_in(self) -> None:
        username, password = self._account.username or "", self._account.password or ""
        if wants_sasl(self._capabilities, username, password):
            secret = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
            # Not as an initial response: a line has 255 octets at most (RFC 5034, section 4).
            lines, window = ["AUTH PLAIN", secret], 1
        else:
            lines = [f"USER {username}", f"PASS {password}"]
            window = self._window(len(lines))
        self._wire.sign_in(lines, window, self._timeouts.login_seconds)

    def _ask_capabilities(self) -> Capabilities | None:
        with suppress(ServerRefused):
            return self._wire.ask_for_lines(
                "CAPA",
                read_capabilities,
                max_bytes=self._limits.max_listing_bytes,
                within_seconds=self._timeouts.command_seconds,
            )
        return None

    def _may_offer(self, capability: str) -> bool:
        return self._capabilities is None or capability in self._capabilities

    def _takes_top(self, number: int) -> bool:
        """Find out by trying, where CAPA does not say."""
        return self._capabilities is not None or list(self._fetch_headers([number])) != [(number, None)]

    def _fetch_headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
        blocks = self._wire.ask_for_blocks(
            [f"TOP {number} 0" for number in numbers],
            self._window(self._limits.pipelined_headers),
            keep_bytes=self._limits.max_header_bytes,
            max_bytes=self._limits.max_message_bytes,
            within_seconds=self._timeouts.command_seconds,
        )
        return zip(numbers, blocks, strict=True)

    def _retrieve(self, numbers: Sequence[int], keep_bytes: int) -> Iterator[tuple[int, bytes | None]]:
        blocks = self._wire.ask_for_blocks(
            [f"RETR {number}" for number in numbers],
            self._window(self._limits.pipelined_messages),
            keep_bytes=keep_bytes,
            max_bytes=self._limits.max_message_bytes,
            within_seconds=self._timeouts.transfer_seconds,
        )
        return zip(numbers, blocks, strict=True)

    def _window(self, largest: int) -> int:
        """Return how many commands may be under way: one, unless the server announces that it takes more."""
        return largest if self._capabilities is not None and "PIPELINING" in self._capabilities else 1
