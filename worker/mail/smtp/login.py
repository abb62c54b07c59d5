"""Sign in at an SMTP server (RFC 4954): PLAIN, LOGIN or CRAM-MD5, whichever it offers."""

from __future__ import annotations

import base64
import binascii
import hmac

from worker.errors import AuthenticationFailed, NotSupported, ProtocolViolation, ServerUnavailable
from worker.mail.account import Account, Encryption
from worker.mail.smtp.wire import Reply, SmtpWire

_CONTINUE = 334
_SUCCESS = 235
_UNKNOWN_MECHANISM = 504

# In TLS the simplest that everybody has; in the clear first the one that does not show the password.
_IN_TLS = ("PLAIN", "LOGIN", "CRAM-MD5")
_IN_THE_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")


async def sign_in(wire: SmtpWire, account: Account, offered: str) -> None:
    """Sign in by one of the mechanisms that EHLO has offered, separated by spaces.

    A refusal is final: another attempt with the same password may lock the account.
    """
    for mechanism in _mechanisms(account, offered):
        reply = await _attempt(wire, account, mechanism)
        if reply.code == _SUCCESS:
            return
        if reply.code != _UNKNOWN_MECHANISM:
            raise _refusal(account.server, reply)
    raise NotSupported(
        f"{account.server} offers no sign-in that the worker knows (PLAIN, LOGIN or CRAM-MD5);"
        " check cryptographicProtocol and port, or choose authentication type noAuth.",
        server=account.server,
        extension="AUTH",
    )


def _mechanisms(account: Account, offered: str) -> list[str]:
    order = _IN_THE_CLEAR if account.encryption is Encryption.NONE else _IN_TLS
    return [mechanism for mechanism in order if mechanism in offered.upper().split()]


async def _attempt(wire: SmtpWire, account: Account, mechanism: str) -> Reply:
    username = (account.username or "").encode()
    password = (account.password or "").encode()
    if mechanism == "PLAIN":  # RFC 4616
        return await wire.call("AUTH PLAIN " + _base64(b"\0" + username + b"\0" + password))
    reply = await wire.call(f"AUTH {mechanism}")
    if reply.code != _CONTINUE:
        return reply
    if mechanism == "CRAM-MD5":
        return await wire.call(_cram_md5(account.server, username, password, challenge=reply.text))
    reply = await wire.call(_base64(username))
    return reply if reply.code != _CONTINUE else await wire.call(_base64(password))


def _cram_md5(server: str, username: bytes, password: bytes, *, challenge: str) -> str:
    """Answer a challenge (RFC 2195) without showing the password."""
    try:
        digest = hmac.new(password, base64.b64decode(challenge, validate=True), "md5").hexdigest()
    except binascii.Error as error:
        raise ProtocolViolation(
            f"{server} gave a CRAM-MD5 challenge that is not base64.", server=server
        ) from error
    return _base64(username + b" " + digest.encode())


def _refusal(server: str, reply: Reply) -> AuthenticationFailed | ServerUnavailable | ProtocolViolation:
    if reply.is_permanent:
        return AuthenticationFailed(f"{server} refused the sign-in: {reply}", server=server)
    if reply.is_transient:
        return ServerUnavailable(f"{server} cannot check the sign-in now: {reply}", server=server)
    return ProtocolViolation(f"{server} gave no answer to the sign-in: {reply}", server=server)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
