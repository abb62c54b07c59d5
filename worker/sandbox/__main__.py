"""`python -m worker.sandbox` downloads and prepares what a first start would: for `make` and for images."""

from __future__ import annotations

import sys

from worker.sandbox.archive import engine_java
from worker.sandbox.errors import SandboxError
from worker.sandbox.jars import class_path

if __name__ == "__main__":
    try:
        engine_java()
        class_path("mail")
    except SandboxError as error:
        sys.exit(str(error))
