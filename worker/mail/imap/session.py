"""One IMAP session (RFC 3501, 9051), from greeting to LOGOUT. It blocks: use it in a thread."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MailServerError,
    ProtocolViolation,
    ResultTooLarge,
    ServerTimeout,
    ServerUnavailable,
    TlsFailed,
)
from worker.mail.account import Account, Encryption
from worker.mail.command_trace import traced, traced_step
from worker.mail.deadline_socket import DeadlineSocket
from worker.mail.imap.client import Goodbye, ImapClient, ImapError, LiteralTooLarge, quote, quote_name
from worker.mail.imap.errors import reason_of, refusal
from worker.mail.imap.limits import ImapLimits
from worker.mail.imap.responses import Fetched, Piece, Reply, read_fetched
from worker.mail.timeouts import Timeouts
from worker.mail.tls import tls_failure

# What changes mails. To create a folder that is there already does no harm, so that may be repeated.
_CHANGING_VERBS = ("STORE", "EXPUNGE", "MOVE", "COPY")

_LOOK, _LOOKING = b"NOOP", "look for new mail"


@dataclass(frozen=True, slots=True)
class SelectedFolder:
    """The folder that the session's commands mean; `uid_validity` makes its UIDs last (RFC 9051, 2.3.1.1)."""

    name: str
    uid_validity: int
    is_read_only: bool


def _do_nothing() -> None:
    """Any change is allowed."""


class ImapSession:
    """A session from greeting to LOGOUT. Every method raises a MailServerError where it fails.

    After an error other than a refusal `is_usable` is false. `has_changed`: a command that changes
    mails has been sent since `begin`. `is_current`: the folder has been looked at anew since then.
    `may_change`: to be called right before what cannot be undone; raises if it must not be done any more.
    Only `cut` may be called from another thread.
    """

    def __init__(
        self, account: Account, connection: DeadlineSocket, timeouts: Timeouts, limits: ImapLimits
    ) -> None:
        self.server = account.server
        self.is_usable = True
        self.has_changed = False
        self.is_current = False
        self.may_change: Callable[[], None] = _do_nothing
        self.capabilities: frozenset[str] = frozenset()
        self.selected: SelectedFolder | None = None
        self._account = account
        self._connection = connection
        self._timeouts = timeouts
        self._limits = limits
        self._client: ImapClient

    def open(self, tls_context: ssl.SSLContext) -> None:
        """Take the greeting, encrypt as the account asks, sign in, and learn what the server can do."""
        if self._account.encryption is Encryption.IMPLICIT:
            self._shake_hands(tls_context)
        with (
            traced_step(self._account.protocol, self.server, "greeting"),
            self._door("begin a session", self._timeouts.greeting_seconds, ServerUnavailable),
        ):
            self._client = ImapClient(self._connection, self._limits.max_message_bytes)
        self._learn_capabilities()
        if self._account.encryption is Encryption.STARTTLS:
            self._start_tls(tls_context)
        self._sign_in()

    def begin(self) -> None:
        """Begin an operation."""
        self.has_changed = self.is_current = False
        self.may_change = _do_nothing

    @property
    def exists(self) -> int:
        """How many messages the selected folder has, as far as the server has said; exact if `is_current`."""
        return self._client.exists

    @property
    def changes(self) -> int:
        """Grows when the server says that messages have come or gone, and when a folder is selected."""
        return self._client.changes

    def can(self, capability: str) -> bool:
        """Tell whether the server announces it."""
        return capability in self.capabilities

    def select(self, name: str) -> Reply:
        """Select a folder by the server's name for it; the reply may be a refusal.

        Always with SELECT, though no flag is touched by reading: a later change needs no second one.
        """
        self.selected = None
        self._client.changes += 1
        self._client.state = "AUTH"
        reply = self.attempt(b"SELECT " + quote_name(name), doing=f"open the folder {name}")
        if reply.is_ok:
            self._client.state = "SELECTED"
            self.selected = SelectedFolder(
                name, reply.number("UIDVALIDITY") or 0, is_read_only=reply.code == "READ-ONLY"
            )
            self.is_current = True
        return reply

    def refresh(self) -> None:
        """Have the server look for what others have changed in the selected folder.

        Dovecot for one does not look before it searches, but after (RFC 9051, 5.2 lets it).
        """
        self.command(_LOOK, doing=_LOOKING)
        self.is_current = True

    def ensure_current(self) -> None:
        """Refresh, unless the folder has been looked at since `begin`."""
        if not self.is_current:
            self.refresh()

    def command(self, *chunks: bytes, doing: str, is_long: bool = False) -> Reply:
        """Send a command and return the reply, which is OK; a refusal is raised as what its code means.

        Chunks after the first are what follows a literal's announcement, sent when the server asks for it.
        `is_long`: its time may grow with the mail it looks at.
        """
        return self.require(self.attempt(*chunks, doing=doing, is_long=is_long), doing)

    def require(self, reply: Reply, doing: str) -> Reply:
        """Return a reply that is OK; a refusal is raised as what its code means."""
        if not reply.is_ok:
            raise refusal(self.server, reply, doing)
        return reply

    def attempt(self, *chunks: bytes, doing: str, is_long: bool = False) -> Reply:
        """Send a command and return the reply, refusals too."""
        self._note_change(chunks[0])
        with self._door(doing, self._seconds(is_long=is_long)):
            return self._converse(chunks)

    def attempt_together(self, *commands: bytes, doing: str, is_long: bool = False) -> list[Reply]:
        """Send commands in one go and return their replies, refusals too: one round trip for all.

        None of them holds a literal, and each is done whether or not those before it were.
        """
        for command in commands:
            self._note_change(command)
        lines = (command.decode("latin-1") for command in commands)
        with (
            self._door(doing, self._seconds(is_long=is_long)),
            traced(self._account.protocol, self.server, *lines),
        ):
            return self._client.converse_together(commands)

    def attempt_current(self, *chunks: bytes, doing: str, is_long: bool = False) -> Reply:
        """Send a command that must see what others have done until now, and return the reply, refusals too.

        The look for that goes with it. It comes behind it, as Dovecot does both in this order whatever the
        order of the commands: if it finds that nothing has come or gone, the reply holds.
        """
        if len(chunks) > 1:
            self.ensure_current()
        if self.is_current:
            return self.attempt(*chunks, doing=doing, is_long=is_long)
        before = self.changes
        reply, look = self.attempt_together(chunks[0], _LOOK, doing=doing, is_long=is_long)
        self.require(look, _LOOKING)
        self.is_current = True
        return reply if self.changes == before else self.attempt(*chunks, doing=doing, is_long=is_long)

    def fetch(self, uid_set: str, items: str, *, doing: str, keep: Callable[[Fetched], None]) -> None:
        """Fetch items of messages and hand each one over as it comes, in the order of the server."""
        with self._kept(keep):
            self.command(_fetch(uid_set, items), doing=doing, is_long=True)

    def search_and_fetch(
        self, key: bytes, items: str, *, doing: str, keep: Callable[[Fetched], None]
    ) -> Reply:
        """Search, which must succeed, and fetch items of what is found, in one round trip (RFC 5182).

        A server that refuses the second has handed nothing over.
        """
        with self._kept(keep):
            found, _ = self.attempt_together(
                b"UID SEARCH RETURN (SAVE ALL) " + key, _fetch("$", items), doing=doing, is_long=True
            )
        return self.require(found, doing)

    def logout(self, within_seconds: float) -> None:
        """Sign off."""
        with self._door("sign off", within_seconds), traced(self._account.protocol, self.server, "LOGOUT"):
            self.is_usable = False
            self._client.logout()

    def cut(self) -> None:
        """End the connection at once; a thread at work here gets an error. Never raises."""
        self.is_usable = False
        self._connection.cut()

    def close(self) -> None:
        """Give back the descriptor, when no thread is at work here any more."""
        self.cut()
        self._connection.close()

    def _shake_hands(self, tls_context: ssl.SSLContext) -> None:
        with (
            traced_step(self._account.protocol, self.server, "tls"),
            self._door("begin TLS", self._timeouts.tls_seconds),
        ):
            try:
                self._connection.start_tls(tls_context, self._account.host)
            except ssl.SSLError as error:
                raise tls_failure(self.server, error) from error

    def _start_tls(self, tls_context: ssl.SSLContext) -> None:
        """Encrypt, which must succeed; what was said before does not count (RFC 9051, 6.2.1)."""
        if not self.can("STARTTLS") or not self.attempt(b"STARTTLS", doing="begin TLS").is_ok:
            raise TlsFailed(
                f"{self.server} does not offer STARTTLS, so the connection cannot be encrypted; use its TLS"
                " port.",
                server=self.server,
            )
        self._shake_hands(tls_context)
        self._client.read_anew()
        self._learn_capabilities(self.command(b"CAPABILITY", doing="say what it can do"))

    def _sign_in(self) -> None:
        if self._client.state == "AUTH":  # PREAUTH: somebody else has signed in for us
            return
        with self._door("sign in", self._timeouts.login_seconds, AuthenticationFailed):
            reply = self._converse(self._sign_in_chunks())
        if not reply.is_ok:
            raise refusal(self.server, reply, "sign in", AuthenticationFailed)
        self._client.state = "AUTH"
        # Many announce MOVE, SORT and UIDPLUS only now, some of them in the reply.
        self._learn_capabilities(
            reply if "CAPABILITY" in reply.data else self.command(b"CAPABILITY", doing="say what it can do")
        )

    def _note_change(self, command: bytes) -> None:
        words = command.split(maxsplit=2)
        verb = words[1] if words[0] == b"UID" else words[0]
        self.has_changed = self.has_changed or verb.decode() in _CHANGING_VERBS

    def _seconds(self, *, is_long: bool) -> float:
        return self._timeouts.transfer_seconds if is_long else self._timeouts.command_seconds

    @contextmanager
    def _kept(self, keep: Callable[[Fetched], None]) -> Iterator[None]:
        def keep_what_is_whole(pieces: Sequence[Piece]) -> None:
            message = read_fetched(pieces)
            if message is not None:
                keep(message)

        self._client.on_fetch = keep_what_is_whole
        try:
            yield
        finally:
            self._client.on_fetch = None

    def _converse(self, chunks: Sequence[bytes]) -> Reply:
        with traced(self._account.protocol, self.server, chunks[0].decode("latin-1")):
            return self._client.converse(chunks)

    def _sign_in_chunks(self) -> list[bytes]:
        username, password = self._account.username or "", self._account.password or ""
        is_plain = (username + password).isascii() and (username + password).isprintable()
        if is_plain and not self.can("LOGINDISABLED"):
            return [f"LOGIN {quote(username)} {quote(password)}".encode()]
        if self.can("AUTH=PLAIN"):
            secret = base64.b64encode(f"\0{username}\0{password}".encode())
            return (
                [b"AUTHENTICATE PLAIN " + secret] if self.can("SASL-IR") else [b"AUTHENTICATE PLAIN", secret]
            )
        if self.can("LOGINDISABLED"):
            raise AuthenticationFailed(
                f"{self.server} takes no sign-in with user name and password on this connection; set"
                " cryptographicProtocol to TLS, or enable such sign-ins on the server.",
                server=self.server,
            )
        # Beyond printable ASCII only a literal may stand here; which charset the server means is its affair.
        name, secret = username.encode(), password.encode()
        return [b"LOGIN {%d}" % len(name), b"%b {%d}" % (name, len(secret)), secret]

    def _learn_capabilities(self, reply: Reply | None = None) -> None:
        lines = reply.data["CAPABILITY"] if reply and "CAPABILITY" in reply.data else ()
        words = lines[-1].split() if lines and isinstance(lines[-1], bytes) else self._client.capabilities
        names = (word.decode("latin-1") if isinstance(word, bytes) else word for word in words)
        self.capabilities = frozenset(name.upper() for name in names)

    @contextmanager
    def _door(
        self, doing: str, within_seconds: float, otherwise: type[MailServerError] = ConnectionFailed
    ) -> Iterator[None]:
        """Bound a step in time and turn what imaplib and the socket raise into our errors."""
        self._connection.allow(within_seconds)
        try:
            yield
        except MailServerError:
            self.is_usable = False
            raise
        except LiteralTooLarge as error:
            self.is_usable = False
            raise ResultTooLarge(
                f"The message at {self.server} has {error.size} bytes, and at most {error.limit} are read.",
                bytes=error.size,
                limit=error.limit,
            ) from error
        except (ImapError, OSError, ValueError) as error:
            self.is_usable = False
            raise self._failure(error, doing, within_seconds, otherwise) from error

    def _failure(
        self, error: Exception, doing: str, within_seconds: float, otherwise: type[MailServerError]
    ) -> MailServerError:
        server = self.server
        if isinstance(error, TimeoutError):
            return ServerTimeout(
                f"{server} did not {doing} within {within_seconds:g} seconds.", server=server
            )
        if isinstance(error, Goodbye):
            if otherwise is ConnectionFailed:
                return ConnectionFailed(
                    f"{server} closed the connection ({reason_of(error.reply)}) when asked to {doing}.",
                    server=server,
                )
            return refusal(server, error.reply, doing, ServerUnavailable)
        if isinstance(error, OSError) or "socket error" in str(error):
            return ConnectionFailed(f"The connection to {server} broke when asked to {doing}.", server=server)
        return ProtocolViolation(
            f"{server} does not answer as an IMAP server when asked to {doing}; check host and port.",
            server=server,
        )


def _fetch(uid_set: str, items: str) -> bytes:
    return f"UID FETCH {uid_set} ({items})".encode()
