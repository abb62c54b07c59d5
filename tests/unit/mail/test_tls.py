from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from testkit.certificates import Certificates

COUNT = "from worker.mail.tls import build_tls_context; print(len(build_tls_context(None).get_ca_certs()))"


def test_the_authorities_of_the_system_are_trusted(tmp_path: Path) -> None:
    """In a process of its own: tests/conftest.py keeps the tests' own from reading them."""
    environment = os.environ | {"SSL_CERT_FILE": str(Certificates(tmp_path).ca_file)}
    command = [sys.executable, "-c", COUNT]
    assert subprocess.run(command, env=environment, check=True, capture_output=True).stdout == b"1\n"
