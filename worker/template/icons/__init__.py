"""The pictures of the operations: one family, drawn for 16 pixels."""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import quote


def icon(name: str) -> str:
    """Return the picture as a data URI."""
    drawing = files(__package__).joinpath(f"{name}.svg").read_text("utf-8").strip()
    return "data:image/svg+xml;utf8," + quote(drawing, safe=" ='/:;,")
