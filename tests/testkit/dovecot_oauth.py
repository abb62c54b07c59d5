"""Dovecot's `passdb oauth2`: tokens that it verifies itself, or asks the token server about."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testkit.dovecot import DovecotOptions
from testkit.token_server import AUDIENCE

PASSDB = """
auth_mechanisms = plain login {mechanisms}
passdb {{
  driver = oauth2
  mechanisms = {mechanisms}
  args = {directory}/oauth2.conf
}}
"""
COMMON = """
username_attribute = email
scope = mail.read
"""
LOCAL = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={directory}/keys/
"""
REMOTE = """
introspection_mode = {mode}
introspection_url = {url}
active_attribute = active
active_value = true
"""


@contextmanager
def oauth_options(
    *,
    public_key: str = "",
    introspection_url: str = "",
    introspection_mode: str = "get",
    client_secret: str = "",
    audience: str = AUDIENCE,
    key_id: str = "default",
    mechanisms: str = "xoauth2 oauthbearer",
) -> Iterator[DovecotOptions]:
    """Options for tokens for `audience` signed by `public_key`, or that `introspection_url` knows.

    `introspection_mode`: "get" puts the token behind the URL, "post" sends it as a form (RFC 7662) with
    `client_secret`, the mail server's own; its client ID is the audience.
    """
    directory = Path(tempfile.mkdtemp(prefix="dovecot-oauth-"))
    directory.chmod(0o755)
    try:
        lines = COMMON + (LOCAL if public_key else REMOTE).format(
            directory=directory, url=introspection_url, mode=introspection_mode
        )
        lines += (
            f"client_id = {audience}\nclient_secret = {client_secret}\n"
            if public_key or client_secret
            else ""
        )
        (directory / "oauth2.conf").write_text(lines)
        for party in ("default", "email-worker", "email-worker-with-key"):
            keys = directory / "keys" / party / "RS256"
            keys.mkdir(parents=True)
            (keys / key_id).write_text(public_key)
        yield DovecotOptions(extra=PASSDB.format(mechanisms=mechanisms, directory=directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
