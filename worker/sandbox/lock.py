"""`python -m worker.sandbox.lock` resolves the sandbox's jars again and writes jars.lock."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from jgo.maven import MavenContext

from worker.sandbox.jars import LOCK_FILE

_BUNDLES = {
    "engine": "io.camunda:zeebe-process-test-engine:8.8.21",
    "mail": "com.icegreen:greenmail-standalone:2.1.8",
}
# The embedded engine keeps its state in memory and serves its gateway without TLS.
_UNUSED = ("rocksdbjni", "netty-tcnative-boringssl-static", "netty-tcnative-classes")
_HEADER = "# Written by python -m worker.sandbox.lock: bundle, SHA-256, bytes, coordinates.\n"


def main() -> None:
    """Resolve each bundle into an empty directory and write one line for each jar."""
    with tempfile.TemporaryDirectory() as directory:
        maven = MavenContext(repo_cache=Path(directory))
        lines = [
            _line(bundle, dependency.artifact)
            for bundle, coordinates in _BUNDLES.items()
            for dependency in _resolve(maven, coordinates)
            if dependency.artifactId not in _UNUSED
        ]
    LOCK_FILE.write_text(_HEADER + "".join(lines))


def _resolve(maven: MavenContext, coordinates: str) -> list[Any]:
    roots, transitive = maven.resolver.resolve([maven.create_dependency(coordinates)])
    return [*roots, *transitive]


def _line(bundle: str, artifact: Any) -> str:
    content = artifact.resolve().read_bytes()
    parts = (artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier)
    coordinates = ":".join(part for part in parts if part)
    return f"{bundle} {hashlib.sha256(content).hexdigest()} {len(content)} {coordinates}\n"


if __name__ == "__main__":
    main()
