from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from testkit.scripted_server import ScriptedServer, close, say

if TYPE_CHECKING:
    from testkit.certificates import Certificate, Certificates


async def greet(certificate: Certificate, certificates: Certificates) -> bytes:
    script = [say("hello"), close()]
    async with ScriptedServer(script, tls=certificate.server_context()) as server:
        reader, writer = await asyncio.open_connection(
            "localhost", server.port, ssl=certificates.client_context()
        )
        greeting = await reader.readline()
        writer.close()
        return greeting


async def test_a_good_certificate_is_trusted(certificates: Certificates) -> None:
    assert await greet(certificates.server, certificates) == b"hello\r\n"


async def test_a_certificate_for_another_host_is_not(certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await greet(certificates.wrong_host, certificates)


async def test_an_expired_certificate_is_not(certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        await greet(certificates.expired, certificates)


def test_a_keystore_holds_the_key_with_its_certificate(certificates: Certificates) -> None:
    store = pkcs12.load_pkcs12(certificates.server.keystore("changeit").read_bytes(), b"changeit")
    assert store.key is not None
    assert store.cert is not None
    assert store.cert.friendly_name == b"server"
