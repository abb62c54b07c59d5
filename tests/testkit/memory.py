"""What a process takes in memory."""

from __future__ import annotations

from pathlib import Path


def peak_bytes() -> int:
    """The highest use of memory so far (VmHWM); `ru_maxrss` would begin with the parent's at the fork."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
