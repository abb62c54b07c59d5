"""Private keys in PEM, with a certificate or without."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from worker.errors import InputError

_FIELD = "authentication.privateKey"
# Of curves, JWT knows these (RFC 7518, 3.4).
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True)
class PemKey:
    """A private key, the JWT algorithm that suits it, and the thumbprint of its certificate or ""."""

    key: RSAPrivateKey | EllipticCurvePrivateKey
    algorithm: str
    thumbprint: str


def read_pem(text: str) -> PemKey:
    """Read a private key, and its certificate if that stands there too; raises InputError."""
    try:
        # A secret in one line of an env file has its line breaks written out.
        pem = text.replace("\\r", "").replace("\\n", "\n").encode()
        key = load_pem_private_key(pem, password=None)
        certificates = x509.load_pem_x509_certificates(pem) if b"BEGIN CERTIFICATE" in pem else []
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"{_FIELD} must be a JSON key, or PEM with a private key without a passphrase and, for Entra ID,"
            " its certificate.",
            field=_FIELD,
        ) from None
    if isinstance(key, RSAPrivateKey):
        algorithm = "PS256"
    elif isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        algorithm = _CURVES[key.curve.name]
    else:
        raise InputError(
            f"{_FIELD} must be an RSA key, or one on the curve P-256, P-384 or P-521.", field=_FIELD
        )
    fitting = [each for each in certificates if each.public_key() == key.public_key()]
    if certificates and not fitting:
        raise InputError(f"{_FIELD} has a certificate that is not that of the private key.", field=_FIELD)
    thumbprint = fitting[0].fingerprint(hashes.SHA256()) if fitting else b""
    return PemKey(key, algorithm, base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode())


def read_rsa_key(text: str) -> RSAPrivateKey:
    """Read the key of a service account; raises InputError."""
    key = read_pem(text).key
    if not isinstance(key, RSAPrivateKey):
        raise InputError(f"{_FIELD} must be a JSON key with an RSA key in private_key.", field=_FIELD)
    return key
