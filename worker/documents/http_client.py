"""HTTP by aiohttp: responses of limited size, no redirects, and failures as the worker's errors."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from worker.errors import DocumentRefused, DocumentsUnavailable, DocumentTooLarge, EmailError

_CHUNK_BYTES = 65_536
# The longest retry backoff too.
_LONGEST_WAIT_SECONDS = 3_600
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """Limits in seconds: to connect, between two pieces of a response, and for a request as a whole."""

    connect_seconds: float
    read_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole response with any status.

    `content_type`: the media type without parameters. `date`: when the server sent it, as it says itself.
    `retry_after`: how long the server asks to wait (RFC 9110, 10.2.3).
    """

    status: int
    content_type: str
    content: bytes
    date: str = ""
    retry_after: str = ""

    @property
    def is_temporary_failure(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status in _PASSING

    @property
    def failure_details(self) -> dict[str, int]:
        """What the error of a temporary failure says for programs: status, and retryAfterSeconds if asked."""
        seconds = min(_seconds_to_wait(self.retry_after, self.date), _LONGEST_WAIT_SECONDS)
        return {"status": self.status} | ({"retryAfterSeconds": seconds} if seconds > 0 else {})


def _document_too_large(server: str, max_bytes: int) -> EmailError:
    return DocumentTooLarge(
        f"{server} gave more than the {max_bytes:,} bytes that EMAIL_WORKER_MAX_ATTACHMENT_BYTES leaves for"
        " it.",
        limit=max_bytes,
        server=server,
    )


@dataclass(frozen=True, slots=True)
class HttpFailures:
    """The errors of those who ask: for no answer, for a request that cannot be sent, for too many bytes."""

    unavailable: type[EmailError]
    refused: type[EmailError]
    too_large: Callable[[str, int], EmailError]


DOCUMENT_FAILURES = HttpFailures(DocumentsUnavailable, DocumentRefused, _document_too_large)
"""The errors of an HTTP client that fetches and stores documents."""


class HttpClient:
    """Sends requests over connections that are reused."""

    def __init__(
        self,
        tls_context: ssl.SSLContext,
        timeouts: HttpTimeouts,
        failures: HttpFailures = DOCUMENT_FAILURES,
        *,
        uses_proxy: bool = False,
    ) -> None:
        """`uses_proxy`: use the HTTP proxy of the environment, as gRPC does."""
        self._failures = failures
        self._tls_context = tls_context
        self._uses_proxy = uses_proxy
        self._timeouts = aiohttp.ClientTimeout(
            total=timeouts.total_seconds,
            sock_connect=timeouts.connect_seconds,
            sock_read=timeouts.read_seconds,
        )
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> HttpResponse:
        """Send a request and read the answer; `body`: aiohttp's `data` or `params`.

        Raises its failures: `unavailable` if there is no response, `too_large` if it is longer than
        `max_bytes`, `refused` for an untrusted certificate or an invalid address.
        """
        server = _server(url)
        try:
            async with self._open_session().request(
                method, url, headers=headers, allow_redirects=False, **body
            ) as response:
                content = await _read(response, max_bytes)
                if content is None:
                    raise self._failures.too_large(server, max_bytes)
                date, retry_after = (response.headers.get(name, "") for name in ("Date", "Retry-After"))
                return HttpResponse(response.status, response.content_type, content, date, retry_after)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL) as error:
            reason = (
                "its certificate is not trusted" if isinstance(error, OSError) else "the URL cannot be read"
            )
            raise self._failures.refused(
                f"No request can be sent to {server}: {reason}.", server=server
            ) from error
        except TimeoutError as error:
            raise self._failures.unavailable(f"{server} did not answer in time.", server=server) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._failures.unavailable(
                f"The connection to {server} failed ({type(error).__name__}).", server=server
            ) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open_session(self) -> aiohttp.ClientSession:
        # Made at the first request: a session belongs to the loop that runs then.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls_context),
                timeout=self._timeouts,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._uses_proxy,
            )
        return self._session


def _seconds_to_wait(retry_after: str, date: str) -> int:
    """Return the seconds that Retry-After gives, or 0; a moment counts from that of the response."""
    with suppress(ValueError, TypeError, OverflowError):
        if retry_after.isdecimal():
            return int(retry_after)
        return int((parsedate_to_datetime(retry_after) - parsedate_to_datetime(date)).total_seconds())
    return 0


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
    """Return the body, or None if it is longer than `max_bytes`."""
    # The declared length is ignored: it is that of the compressed content.
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(piece)
        if size > max_bytes:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _server(url: str) -> str:
    """Return host and port of a URL: the part that a message may show."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition("?")[0]
