"""Keycloak, the identity provider that Camunda Self-Managed uses too, with a realm for one mailbox.

Its distribution comes from Maven Central once, as the sandbox's jars do, and is checked at each start.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from testkit.processes import ServerProcess, cannot_run, find_program, free_port
from testkit.token_server import AUDIENCE, CLIENT_ID, CLIENT_SECRET
from worker.sandbox.jars import cache_directory, one_process_at_a_time, require_extra

if TYPE_CHECKING:
    from types import TracebackType

    from testkit.certificates import Certificates

VERSION = "26.4.5"
_SHA256 = "74fed80ab67607c86995824ad4b965f53cca0a706e2aeded45e173d3ccb0b24d"
_START_SECONDS = 300
_SCOPE = "mail.read"
MAIL_SERVER_SECRET = "m4ilserver"
KEY_CLIENT_ID = "email-worker-with-key"


def distribution() -> Path:
    """Return the archive of Keycloak; the first call downloads 160 MB."""
    require_extra()
    from jgo.maven import MavenContext  # noqa: PLC0415 - an optional package

    cache = cache_directory()
    file = cache / f"keycloak-quarkus-dist-{VERSION}.tar.gz"
    with one_process_at_a_time(cache), tempfile.TemporaryDirectory(dir=cache) as directory:
        if not file.exists():
            maven = MavenContext(repo_cache=Path(directory))
            component = maven.project("org.keycloak", "keycloak-quarkus-dist").at_version(VERSION)
            try:
                downloaded = component.artifact(packaging="tar.gz").resolve()
            except Exception as error:  # noqa: BLE001 - whatever the network has
                cannot_run(f"Keycloak {VERSION} cannot be downloaded ({error})")
            downloaded.replace(file)
    with file.open("rb") as archive:
        assert hashlib.file_digest(archive, "sha256").hexdigest() == _SHA256, (
            f"{file} is not Keycloak {VERSION}"
        )
    return file


@dataclass
class Keycloak:
    """A realm whose clients get tokens for the mailbox of `user`, who may sign in by `password`.

    Tokens are for AUDIENCE, with the scope mail.read. A refresh token is good once. `client_certificate`:
    PEM, by whose key the client KEY_CLIENT_ID signs in.
    """

    certificates: Certificates
    user: str
    password: str
    client_certificate: str

    def __enter__(self) -> Self:
        java = find_program("java", "default-jre-headless")
        self._directory = tempfile.TemporaryDirectory(prefix="keycloak-", ignore_cleanup_errors=True)
        with tarfile.open(distribution()) as archive:
            archive.extractall(self._directory.name, filter="data")
        home = Path(self._directory.name) / f"keycloak-{VERSION}"
        (home / "data" / "import").mkdir(parents=True)
        (home / "data" / "import" / "mail.json").write_text(json.dumps(self._realm()))
        self.port, self._clear_port = free_port(), free_port()
        command: list[str | Path] = [
            home / "bin" / "kc.sh",
            "start-dev",
            "--import-realm",
            "--db=dev-mem",
            "--http-host=127.0.0.1",
            f"--http-port={self._clear_port}",
            f"--https-port={self.port}",
            f"--https-certificate-file={self.certificates.server.chain_file}",
            f"--https-certificate-key-file={self.certificates.server.key_file}",
            f"--hostname=https://localhost:{self.port}",
        ]
        self.log_file = Path(self._directory.name) / "log"
        environment = {"JAVA_OPTS_APPEND": "-Xmx512m -XX:TieredStopAtLevel=1", "JAVA": str(java)}
        self._process = ServerProcess(command, self.log_file, environment=environment)
        self._process.start([self.port, self._clear_port], within_seconds=_START_SECONDS)
        self._wait_for_realm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
        self._directory.cleanup()

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"https://localhost:{self.port}/realms/mail/protocol/openid-connect/token"

    @property
    def introspection_url(self) -> str:
        """Where a mail server asks about a token, as the client AUDIENCE with MAIL_SERVER_SECRET."""
        return f"http://localhost:{self._clear_port}/realms/mail/protocol/openid-connect/token/introspect"

    def signing_key(self) -> dict[str, Any]:
        """The key that signs the tokens, of the realm's key set (RFC 7517)."""
        keys = self._ask("GET", "certs")["keys"]
        return next(key for key in keys if key["use"] == "sig" and key["alg"] == "RS256")

    def refresh_token(self) -> str:
        """A refresh token of the user, as an administrator would get it by a browser."""
        form = {
            "grant_type": "password",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "username": self.user,
            "password": self.password,
        }
        return str(self._ask("POST", "token", form)["refresh_token"])

    def revoke(self, token: str) -> None:
        """Have a refresh token end before its time."""
        self._ask("POST", "revoke", {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "token": token})

    def _ask(self, method: str, page: str, form: dict[str, str] | None = None) -> Any:
        url = self.url.removesuffix("token") + page
        body = urlencode(form).encode() if form else None
        request = urllib.request.Request(url, body, method=method)
        with urllib.request.urlopen(request, context=self.certificates.client_context()) as response:
            content = response.read()
        return json.loads(content) if content else None

    def _wait_for_realm(self) -> None:
        """Its ports take connections before the realm is there."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._ask("GET", "certs")
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def _realm(self) -> dict[str, Any]:
        certificate = "".join(
            line for line in self.client_certificate.splitlines() if not line.startswith("-----")
        )
        return {
            "realm": "mail",
            "enabled": True,
            "sslRequired": "none",
            "revokeRefreshToken": True,
            "refreshTokenMaxReuse": 0,
            "clientScopes": [_client_scope(_SCOPE)],
            "clients": [
                self._client(AUDIENCE, clientAuthenticatorType="client-secret", secret=MAIL_SERVER_SECRET),
                self._client(CLIENT_ID, clientAuthenticatorType="client-secret", secret=CLIENT_SECRET),
                self._client(
                    KEY_CLIENT_ID,
                    clientAuthenticatorType="client-jwt",
                    attributes={"jwt.credential.certificate": certificate},
                ),
            ],
            "users": [
                {
                    "username": self.user,
                    "email": self.user,
                    "emailVerified": True,
                    "firstName": "Ann",
                    "lastName": "Example",
                    "enabled": True,
                    "credentials": [{"type": "password", "value": self.password}],
                }
            ],
        }

    def _client(self, client_id: str, **more: Any) -> dict[str, Any]:
        return {
            "clientId": client_id,
            "protocol": "openid-connect",
            "serviceAccountsEnabled": True,
            "directAccessGrantsEnabled": True,
            "standardFlowEnabled": False,
            "defaultClientScopes": [_SCOPE],
            "protocolMappers": [
                _mapper("oidc-sub-mapper", {}),
                _mapper("oidc-audience-mapper", {"included.custom.audience": AUDIENCE}),
                _mapper(
                    "oidc-hardcoded-claim-mapper",
                    {"claim.name": "email", "claim.value": self.user, "jsonType.label": "String"},
                ),
            ],
            **more,
        }


def _client_scope(name: str) -> dict[str, Any]:
    return {"name": name, "protocol": "openid-connect", "attributes": {"include.in.token.scope": "true"}}


def _mapper(kind: str, config: dict[str, str]) -> dict[str, Any]:
    shown_in = {"access.token.claim": "true", "introspection.token.claim": "true"}
    return {
        "name": kind,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {**config, **shown_in},
    }
