"""The ways to sign in at an IMAP server. It blocks: use it in a thread."""

from __future__ import annotations

from typing import Any

from worker.errors import AuthenticationFailed
from worker.mail.account import Account
from worker.mail.imap.client import ConnectedMailBox
from worker.mail.sasl import token_exchange


def sign_in(box: ConnectedMailBox, account: Account) -> Any:
    """Sign in by the way that suits the server and the account; return and raise as imaplib does.

    Raises AuthenticationFailed and NotSupported if the server takes none of them on this connection.
    """
    client, capabilities = box.client, box.client.capabilities
    username, password = account.username or "", account.password or ""
    is_plain = (username + password).isascii() and (username + password).isprintable()
    is_login_disabled = "LOGINDISABLED" in capabilities
    if account.token is not None:
        return _show_token(box, account)
    if is_plain and not is_login_disabled:
        return box.login(username, password, initial_folder=None).login_result
    if "AUTH=PLAIN" in capabilities:
        return box.login_utf8(username, password, initial_folder=None).login_result
    if is_login_disabled:
        raise AuthenticationFailed(
            f"{account.server} takes no sign-in with user name and password on this connection; set"
            " cryptographicProtocol to TLS, or enable such sign-ins on the server.",
            server=account.server,
        )
    # Beyond printable ASCII only literals may stand here; which charset the server means is its affair.
    name, secret = username.encode(), password.encode()
    client.send_literals(b"%b {%d}" % (name, len(secret)), secret)
    return client.xatom("LOGIN", f"{{{len(name)}}}")


def _show_token(box: ConnectedMailBox, account: Account) -> tuple[str, list[Any]]:
    """Sign in by an access token, with the command if the server takes it so (RFC 4959)."""
    client = box.client
    offered = [name.removeprefix("AUTH=") for name in client.capabilities if name.startswith("AUTH=")]
    exchange = token_exchange(account, offered)
    if "SASL-IR" in client.capabilities:
        client.send_literals(exchange.last_word)
        return client.xatom("AUTHENTICATE", exchange.mechanism, exchange.response.decode())
    client.send_literals(exchange.response, exchange.last_word)
    return client.xatom("AUTHENTICATE", exchange.mechanism)
