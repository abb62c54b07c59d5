"""Verified TLS: certificates and host names are always checked."""

from __future__ import annotations

import ssl
from pathlib import Path

from worker.errors import MailServerError, TlsFailed

# What OpenSSL says of an answer that is no TLS, such as a greeting in the clear.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


def build_tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a client context that trusts the system's authorities and those of `ca_file` (PEM).

    Reading the system's authorities takes tens of milliseconds: build one, share it.
    Raises OSError or ssl.SSLError if the file cannot be read.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def ca_file_problem(ca_file: Path | None, error: OSError) -> str:
    """Say what is wrong with a CA file that `build_tls_context` cannot read."""
    if isinstance(error, FileNotFoundError):
        return f"{ca_file} does not exist"
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return f"{ca_file} contains no readable certificate ({(reason or str(error)).replace('_', ' ').lower()})"


def tls_failure(server: str, error: ssl.SSLError) -> MailServerError:
    """Say in one sentence why the handshake with `server` failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or "certificate verify failed"
        return TlsFailed(
            f"The certificate of {server} is not trusted ({reason}); correct the host name, or set"
            " EMAIL_WORKER_TLS_CA_FILE to the authority that signed it.",
            server=server,
        )
    reason = (error.reason or "handshake failed").replace("_", " ").lower()
    if error.reason in _NO_TLS:
        return TlsFailed(
            f"{server} does not begin with TLS ({reason}); check cryptographicProtocol and port:"
            " TLS begins it by STARTTLS, SSL from the first byte.",
            server=server,
        )
    return TlsFailed(
        f"No TLS connection to {server} ({reason}); check cryptographicProtocol and port.", server=server
    )
