"""Sign in at an SMTP server (RFC 4954) by the first mechanism that both sides know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiosmtplib import SMTP, SMTPResponse

from worker.errors import AuthenticationFailed, NotSupported
from worker.mail.account import Account, Encryption
from worker.mail.sasl import token_exchange, token_refusal
from worker.mail.smtp.replies import Reply, check_success
from worker.masking import excerpt

_SUCCESS = 235
_CHALLENGE = 334
# What a command may have with its spaces and its end (RFC 4954, 4): a longer response goes alone.
_MAX_LINE = 512 - 4
_UNKNOWN_MECHANISM = 504
_MAX_TEXT = 200

Attempt = Callable[[], Awaitable[SMTPResponse]]
Ask = Callable[[str, Awaitable[SMTPResponse]], Awaitable[Reply]]


async def sign_in(smtp: SMTP, account: Account, ask: Ask) -> None:
    """Sign in by one of the mechanisms that EHLO has offered.

    Not by aiosmtplib's `login`, which tries all of them: another attempt with the same password may lock
    the account.
    """
    if account.token is not None:
        return await _show_token(smtp, account, ask)
    for mechanism, attempt in _attempts(smtp, account).items():
        if mechanism not in smtp.server_auth_methods:
            continue
        reply = await ask("AUTH", attempt())
        if reply.code != _UNKNOWN_MECHANISM:
            return check_success(account.server, reply, _SUCCESS, "the sign-in", AuthenticationFailed)
    raise NotSupported(_what_is_missing(smtp, account), server=account.server, extension="AUTH")


async def _show_token(smtp: SMTP, account: Account, ask: Ask) -> None:
    """Sign in by an access token, and ask for the reason if it is refused.

    Not by aiosmtplib's `auth_xoauth2`, which loses the reason, and puts any token in the command's line.
    """
    exchange = token_exchange(account, smtp.server_auth_methods)
    command = (b"AUTH", exchange.mechanism.encode())
    if sum(map(len, command)) + len(exchange.response) <= _MAX_LINE:
        reply = await ask("AUTH", smtp.execute_command(*command, exchange.response))
    else:
        reply = await ask("AUTH", smtp.execute_command(*command))
        if reply.code == _CHALLENGE:
            reply = await ask("SASL", smtp.execute_command(exchange.response))
    challenge = b""
    if reply.code == _CHALLENGE:
        challenge = "".join(reply.lines).encode()
        reply = await ask("SASL", smtp.execute_command(exchange.last_word))
    if reply.is_permanent:
        raise token_refusal(account.server, str(reply), challenge)
    check_success(account.server, reply, _SUCCESS, "the sign-in", AuthenticationFailed)


def _what_is_missing(smtp: SMTP, account: Account) -> str:
    offered = excerpt(", ".join(dict.fromkeys(smtp.server_auth_methods)).upper(), _MAX_TEXT)
    if offered:
        return (
            f"{account.server} offers no sign-in with user name and password (PLAIN, LOGIN or CRAM-MD5), but"
            f" {offered}; ask your mail provider to allow one, such as an app password."
        )
    return (
        f"{account.server} offers no sign-in on this connection; check cryptographicProtocol and port, or"
        " choose authentication type noAuth if it needs none."
    )


def _attempts(smtp: SMTP, account: Account) -> dict[str, Attempt]:
    """Return the ways to sign in, the best first."""
    username, password = account.username or "", account.password or ""
    plain: dict[str, Attempt] = {
        "plain": lambda: smtp.auth_plain(username, password),
        "login": lambda: smtp.auth_login(username, password),
    }
    hidden: dict[str, Attempt] = {"cram-md5": lambda: smtp.auth_crammd5(username, password)}
    # In TLS the simplest that everybody has; in the clear first the one that does not show the password.
    return {**hidden, **plain} if account.encryption is Encryption.NONE else {**plain, **hidden}
