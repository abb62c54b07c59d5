"""Camunda's embedded engine with more memory than the sandbox's, and without the records that tests read."""

from __future__ import annotations

import sys

import jpype

from worker.sandbox.archive import engine_java
from worker.sandbox.java.machine import start_java

_MEMORY_MB = 4096


def main() -> None:
    """Serve at the port that is the only argument until standard input ends."""
    java = engine_java()
    start_java(java["class_path"], _MEMORY_MB, f"-XX:AOTCache={java['archive']}")
    engine = jpype.JClass("io.camunda.zeebe.process.test.engine.EngineFactory").create(int(sys.argv[1]))
    engine.start()
    sys.stdout.write("engine ready\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
