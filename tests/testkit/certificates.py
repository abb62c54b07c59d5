"""A certificate authority of the tests' own, and what it signs: good, for another host, expired."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)

if TYPE_CHECKING:
    from pathlib import Path

LOCAL_NAMES = ("localhost", "127.0.0.1", "127.0.0.2", "::1")


@dataclass(frozen=True)
class Certificate:
    """A server's certificate with its chain, and its key, both PEM files."""

    chain_file: Path
    key_file: Path

    def server_context(self) -> ssl.SSLContext:
        """The context with which a server shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_file, self.key_file)
        return context

    def keystore(self, password: str = "changeit") -> Path:
        """The same as a PKCS #12 file, which Java servers read; its alias is `server`."""
        first, *rest = x509.load_pem_x509_certificates(self.chain_file.read_bytes())
        key = load_pem_private_key(self.key_file.read_bytes(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        store = pkcs12.serialize_key_and_certificates(
            b"server", key, first, rest, BestAvailableEncryption(password.encode())
        )
        file = self.chain_file.with_suffix(".p12")
        file.write_bytes(store)
        return file


class Certificates:
    """An authority and three certificates: `server` is good, `wrong_host` and `expired` are not."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.server = self._issue("server", LOCAL_NAMES)
        self.wrong_host = self._issue("wrong-host", ("mail.example.net",))
        self.expired = self._issue("expired", LOCAL_NAMES, not_after=datetime.now(UTC) - timedelta(days=1))

    def client_context(self) -> ssl.SSLContext:
        """The context of a client that trusts this authority and nobody else."""
        return ssl.create_default_context(cafile=self.ca_file)

    def _issue(self, name: str, hosts: tuple[str, ...], not_after: datetime | None = None) -> Certificate:
        issued = self._authority.issue_cert(*hosts, not_after=not_after)
        chain_file, key_file = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        chain_file.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key_file))
        return Certificate(chain_file, key_file)
