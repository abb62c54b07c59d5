"""The URLs from which the worker may fetch attachments: none, unless the operator allows some."""

from __future__ import annotations

import fnmatch
import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from yarl import URL

from worker.errors import EmailError, UrlNotAllowed
from worker.models.base import one_spelling, read_host

_PATTERN = re.compile(
    r"(https?)://([^/:@?#\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?(/[^?#]*)?", re.IGNORECASE
)
_END_OF_NAME = re.compile(r"[;?#\x00-\x1f\x7f]")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class UrlPattern:
    """What may be fetched: one scheme and port, hosts and paths with `*` and `?`."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> UrlPattern:
        """Read `https://files.example.com/invoices/*`; without a path, any. Raises ValueError."""
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise ValueError("must be a URL such as https://files.example.com/invoices/*")
        scheme = found[1].lower()
        path = quote(found[4] or "/*", safe=string.punctuation)
        return cls(scheme, one_spelling(found[2]), int(found[3] or _PORTS[scheme]), path)

    def admits(self, url: URL) -> bool:
        """Tell whether the pattern covers `url`, part by part: a `*` in the host does not match the path."""
        return (
            (url.scheme, url.port) == (self.scheme, self.port)
            and fnmatch.fnmatchcase(one_spelling(url.raw_host or ""), self.host)
            and fnmatch.fnmatchcase(url.raw_path, self.path)
        )


def _attachment_not_allowed(place: str) -> EmailError:
    return UrlNotAllowed(
        f"The URL of an attachment ({place}) is not allowed by EMAIL_WORKER_ALLOWED_DOCUMENT_URLS;"
        " ask the operator of the worker to add it.",
        place=place,
    )


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """The operator's patterns: `()` means no URL, None any. `refusal`: the error for scheme and host."""

    patterns: tuple[UrlPattern, ...] | None = ()
    refusal: Callable[[str], EmailError] = _attachment_not_allowed

    def admit(self, text: str) -> URL:
        """Return the URL to request; raises the refusal, which is UrlNotAllowed by default."""
        try:
            url = URL(text)
            # The system reads a name up to its first NUL, and would connect to that.
            read_host(url.raw_host or "")
        except (ValueError, TypeError) as error:
            raise self.refusal("a URL that cannot be read") from error
        if self.patterns is None:
            return url
        is_plain = url.user is None and url.password is None and not _has_dot_segments(url)
        if is_plain and any(pattern.admits(url) for pattern in self.patterns):
            return url
        raise self.refusal(f"{url.scheme}://{url.host_subcomponent or ''}")


def _has_dot_segments(url: URL) -> bool:
    """Tell whether a server could read `.` or `..` in the path, which would leave the path of the pattern."""
    path = url.raw_path
    # A server may decode several times, take a backslash for a slash and a wide dot for a dot, drop what
    # follows a semicolon, `?`, `#` or a control character, and read `%C0%AE` or `%u002E` as a dot.
    try:
        while (decoded := unquote(path, errors="strict")) != path:
            path = decoded
    except UnicodeDecodeError:
        return True
    if "%u" in path.lower():
        return True
    segments = re.split(r"[/\\]", unicodedata.normalize("NFKC", path))
    return any(_END_OF_NAME.split(segment, 1)[0].strip() in {".", ".."} for segment in segments)
