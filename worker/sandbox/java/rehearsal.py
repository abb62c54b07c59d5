"""One life of the engine, from start to exit, during which Java notes what it loads and links."""

from __future__ import annotations

import base64
from pathlib import Path

import jpype

from worker.sandbox.java import engine
from worker.sandbox.java.channel import Methods, Notify
from worker.sandbox.java.machine import ENGINE_MEMORY_MB, start_java

_PROCESS = Path(__file__).with_name("rehearsal.bpmn")


def start(notify: Notify, *, class_path: list[str], port: int, archive: str) -> Methods:
    """Run a process that uses what every process does, and end Java so that it writes the archive."""
    start_java(class_path, ENGINE_MEMORY_MB, f"-XX:AOTCacheOutput={archive}")
    methods = engine.start_engine(notify, port)
    methods["deploy"](content=base64.b64encode(_PROCESS.read_bytes()).decode(), name=_PROCESS.name)
    for number in range(20):
        methods["create_instance"](process_id="rehearsal", variables={"number": number})
    jpype.JClass("java.lang.System").exit(0)
    return methods
