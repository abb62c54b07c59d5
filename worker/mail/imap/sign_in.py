"""The ways to sign in at an IMAP server. It blocks: use it in a thread."""

from __future__ import annotations

from worker.errors import AuthenticationFailed
from worker.mail.account import Account
from worker.mail.imap.client import ConnectedMailBox, ImapClient
from worker.mail.sasl import token_exchange


def sign_in(box: ConnectedMailBox, client: ImapClient, account: Account) -> None:
    """Sign in by the way that suits the server and the password; raises what imap_tools and imaplib raise.

    Raises AuthenticationFailed and NotSupported if the server takes none of them on this connection.
    """
    if account.token is None:
        _show_password(box, client, account)
    else:
        _show_token(client, account)


def _show_password(box: ConnectedMailBox, client: ImapClient, account: Account) -> None:
    username, password = account.username or "", account.password or ""
    is_plain = (username + password).isascii() and (username + password).isprintable()
    capabilities = client.capabilities
    is_login_disabled = "LOGINDISABLED" in capabilities
    if is_plain and not is_login_disabled:
        box.login(username, password, initial_folder=None)
    elif "AUTH=PLAIN" in capabilities:
        box.login_utf8(username, password, initial_folder=None)
    elif is_login_disabled:
        raise AuthenticationFailed(
            f"{account.server} takes no sign-in with user name and password on this connection; set"
            " cryptographicProtocol to TLS, or enable such sign-ins on the server.",
            server=account.server,
        )
    else:
        # Beyond printable ASCII only literals may stand here; which charset the server means is its affair.
        name, secret = username.encode(), password.encode()
        client.send_literals(b"%b {%d}" % (name, len(secret)), secret)
        client.xatom("LOGIN", f"{{{len(name)}}}")


def _show_token(client: ImapClient, account: Account) -> None:
    """Sign in by an access token, with the command if the server takes it so (RFC 4959)."""
    offered = [name.removeprefix("AUTH=") for name in client.capabilities if name.startswith("AUTH=")]
    exchange = token_exchange(account, offered)
    if "SASL-IR" in client.capabilities:
        client.send_literals(exchange.last_word)
        client.xatom("AUTHENTICATE", exchange.mechanism, exchange.response.decode())
    else:
        client.send_literals(exchange.response, exchange.last_word)
        client.xatom("AUTHENTICATE", exchange.mechanism)
