"""The document client against a server that follows Camunda's public REST contract; see the testkit."""

from __future__ import annotations

import asyncio
import base64
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from testkit.certificates import Certificates
from testkit.document_server import DocumentServer
from testkit.listening import listening
from testkit.processes import free_port
from testkit.scripted_smtp import ScriptedSmtp
from testkit.workers import email_worker

from worker.documents.client import DocumentClient
from worker.documents.http_client import HttpClient, HttpResponse, HttpTimeouts
from worker.documents.sign_in import BasicSignIn
from worker.documents.store import DocumentStore
from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import (
    DocumentError,
    DocumentNotFound,
    DocumentRefused,
    DocumentStoreMissing,
    DocumentsUnavailable,
    DocumentTooLarge,
    UrlNotAllowed,
)
from worker.masking import Mask
from worker.models.authentication import AuthenticationType, TokenCredentials
from worker.models.documents import File, parse_documents
from worker.oauth.access_tokens import TOKEN_FAILURES, AccessTokens
from worker.oauth.cluster_token import ClusterToken

PDF = b"%PDF-1.7 \x00\xff"


@asynccontextmanager
async def client_at(
    address: str, *, token_url: str | None = None, urls: tuple[str, ...] = (), max_bytes: int = 10_000
) -> AsyncIterator[DocumentClient]:
    http = HttpClient(ssl.create_default_context(), HttpTimeouts(5, 1, 5))
    token = None
    if token_url is not None:
        token = cluster_token(token_url)
    policy = UrlPolicy(tuple(UrlPattern.parse(pattern) for pattern in urls))
    client = DocumentClient(http, DocumentStore(http, address, token), policy, max_bytes)
    try:
        yield client
    finally:
        await client.close()


def cluster_token(token_url: str, clock: Callable[[], float] = time.monotonic) -> ClusterToken:
    http = HttpClient(ssl.create_default_context(), HttpTimeouts(5, 1, 5), TOKEN_FAILURES)
    credentials = TokenCredentials(
        AuthenticationType.CLIENT_CREDENTIALS,
        username="",
        endpoint=token_url,
        client_id="worker",
        client_secret="s3cret",
        audience="zeebe.example.com",
    )
    return ClusterToken(AccessTokens(http, UrlPolicy(None), clock=clock), credentials, Mask())


async def fetched(client: DocumentClient, *references: Any) -> list[tuple[str, str, bytes]]:
    files = await client.fetch(parse_documents(list(references)))
    return [(file.name, file.content_type, file.content) for file in files]


async def test_a_stored_document_is_fetched_by_id_store_and_hash() -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        reference = server.put(PDF, "Bill.pdf", "application/pdf")
        assert await fetched(client, reference) == [("Bill.pdf", "application/pdf", PDF)]
        assert server.requests == [
            "GET /v2/documents/document-1?storeId=in-memory&contentHash=hash-of-document-1"
        ]


@pytest.mark.parametrize("end", ["/", "/v2", "/v2/"])
async def test_the_address_may_end_as_people_write_it(end: str) -> None:
    async with DocumentServer() as server, client_at(server.address + end) as client:
        assert await fetched(client, server.put(PDF, "a.pdf", "application/pdf"))


async def test_an_id_cannot_lead_to_another_path() -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        reference = {**server.put(PDF, "a", "application/pdf"), "documentId": "../../oauth/token?x=1"}
        with pytest.raises(DocumentError):
            await fetched(client, reference)
        assert [line.count("/") for line in server.requests] == [3]
        assert server.requests[0].startswith("GET /v2/documents/..%2F..%2Foauth%2Ftoken")


async def test_an_inline_document_needs_no_server() -> None:
    inline = {
        "camunda.document.type": "inline",
        "content": "Hi",
        "name": "a.txt",
        "contentType": "text/plain",
    }
    assert await fetched(DocumentClient(), inline) == [("a.txt", "text/plain", b"Hi")]


async def test_a_document_without_name_or_type_gets_one() -> None:
    inline = {"camunda.document.type": "inline", "content": "Hi"}
    typed, named = {**inline, "contentType": "text/csv"}, {**inline, "name": "a.html"}
    assert await fetched(DocumentClient(), inline, typed, named) == [
        ("attachment-1.bin", "application/octet-stream", b"Hi"),
        ("attachment-2.csv", "text/csv", b"Hi"),
        ("a.html", "text/html", b"Hi"),
    ]


async def test_files_come_in_the_order_of_their_references() -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        references = [server.put(bytes([n]), f"{n}.bin", "application/x") for n in range(3)]
        assert [name for name, _, _ in await fetched(client, *references)] == ["0.bin", "1.bin", "2.bin"]


async def test_all_documents_of_a_mail_share_one_bound() -> None:
    async with DocumentServer() as server, client_at(server.address, max_bytes=100) as client:
        small = server.put(b"x" * 60, "a", "text/plain")
        await fetched(client, small)
        with pytest.raises(DocumentTooLarge, match="EMAIL_WORKER_MAX_ATTACHMENT_BYTES"):
            await fetched(client, small, small)
        with pytest.raises(DocumentTooLarge, match="EMAIL_WORKER_MAX_ATTACHMENT_BYTES"):
            await fetched(client, small, {"camunda.document.type": "inline", "content": "x" * 41})


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, DocumentNotFound, "has no document document-1; it may have expired"),
        (403, DocumentRefused, "status 403, The store says no."),
        (400, DocumentRefused, "status 400, The store says no."),
        (302, DocumentRefused, "status 302"),
        (429, DocumentsUnavailable, "status 429"),
        (500, DocumentsUnavailable, "status 500"),
        (503, DocumentsUnavailable, "did not give document document-1: status 503, The store says no."),
    ],
)
async def test_the_stores_refusals_are_distinguished(
    status: int, error: type[DocumentError], message: str
) -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        reference = server.put(PDF, "a.pdf", "application/pdf")
        server.faults.append(status)
        with pytest.raises(error) as caught:
            await fetched(client, reference)
        assert message in caught.value.message
        assert await fetched(client, reference)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("120", 120),
        ("999999", 3_600),
        ("9" * 5_000, None),
        ("Sun, 22 Nov 2026 10:01:30 GMT", 90),
        ("Sun, 22 Nov 2026 09:00:00 GMT", None),
        ("Sun, 22 Nov 2026 10:01:30", None),
        ("-5", None),
        ("0", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_server_may_say_how_long_to_wait(retry_after: str, seconds: int | None) -> None:
    response = HttpResponse(503, "", b"", date="Sun, 22 Nov 2026 10:00:00 GMT", retry_after=retry_after)
    asked = {} if seconds is None else {"retryAfterSeconds": seconds}
    assert response.failure_details == {"status": 503, **asked}


async def test_a_store_that_is_not_there_may_come_back() -> None:
    port = free_port()
    async with client_at(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(DocumentsUnavailable, match=f"The connection to 127.0.0.1:{port} failed"):
            await fetched(client, {"camunda.document.type": "camunda", "documentId": "1"})


async def test_a_store_that_says_nothing_is_waited_for_within_limits() -> None:
    async def be_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(be_silent) as port, client_at(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(DocumentsUnavailable, match="did not answer in time"):
            await fetched(client, {"camunda.document.type": "camunda", "documentId": "1"})


async def test_without_a_store_the_operator_is_asked_for_one() -> None:
    with pytest.raises(DocumentStoreMissing, match="ZEEBE_REST_ADDRESS"):
        await fetched(DocumentClient(), {"camunda.document.type": "camunda", "documentId": "1"})
    with pytest.raises(DocumentStoreMissing, match="ZEEBE_REST_ADDRESS"):
        await DocumentClient().require_store().create(File("a", "text/plain", b""))


async def test_a_file_is_stored_with_its_name_and_type_and_its_reference_comes_back() -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        reference = await client.require_store().create(File('Grüße "2".pdf', "application/pdf", PDF))
        (stored,) = server.documents.values()
        assert (stored.content, stored.content_type) == (PDF, "application/pdf")
        assert stored.metadata["fileName"] == 'Grüße "2".pdf'
        assert reference["camunda.document.type"] == "camunda"
        assert (reference["documentId"], reference["contentHash"]) == ("document-1", "hash-of-document-1")
        assert await fetched(client, reference) == [('Grüße "2".pdf', "application/pdf", PDF)]


async def test_a_large_file_is_stored() -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        await client.require_store().create(File("a.bin", "application/octet-stream", b"x" * 5_000_000))
        assert len(server.documents["document-1"].content) == 5_000_000


@pytest.mark.parametrize(("status", "is_retryable"), [(503, True), (413, False), (400, False), (200, False)])
async def test_a_file_that_is_not_taken_is_named(status: int, *, is_retryable: bool) -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        server.faults.append(status)
        with pytest.raises(DocumentError, match=r"did not take the attachment a\.pdf") as caught:
            await client.require_store().create(File("a.pdf", "application/pdf", PDF))
        assert caught.value.is_retryable is is_retryable


@pytest.mark.parametrize("answer", ["[" * 50_000, "[]", '{"documentId": "x"', "7"])
async def test_an_answer_without_a_reference_is_a_refusal(answer: str) -> None:
    async def create(_: web.Request) -> web.Response:
        return web.Response(status=201, text=answer)

    application = web.Application()
    application.router.add_post("/v2/documents", create)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client_at(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            with pytest.raises(DocumentRefused, match="gave no reference"):
                await client.require_store().create(File("a.pdf", "application/pdf", PDF))
    finally:
        await runner.cleanup()


async def test_the_name_of_an_attachment_is_shown_on_one_line_and_not_whole() -> None:
    async with DocumentServer() as server, client_at(server.address) as client:
        server.faults.append(400)
        with pytest.raises(DocumentRefused) as caught:
            await client.require_store().create(File("a\u202e" + "x" * 300, "text/plain", b""))
    assert "attachment a xxx" in caught.value.message
    assert "…: status 400, The store says no." in caught.value.message


async def test_a_token_is_fetched_once_and_shared() -> None:
    async with (
        DocumentServer(needs_token=True) as server,
        client_at(server.address, token_url=server.token_url) as client,
    ):
        reference = server.put(PDF, "a.pdf", "application/pdf")
        await asyncio.gather(*(fetched(client, reference) for _ in range(5)))
        assert server.sign_ins == [
            {
                "grant_type": "client_credentials",
                "client_id": "worker",
                "client_secret": "s3cret",
                "audience": "zeebe.example.com",
            }
        ]


async def test_a_token_that_is_no_longer_good_is_replaced_once() -> None:
    async with (
        DocumentServer(needs_token=True) as server,
        client_at(server.address, token_url=server.token_url) as client,
    ):
        reference = server.put(PDF, "a.pdf", "application/pdf")
        await fetched(client, reference)
        server.sign_ins.append({})  # the server knows a newer token now
        assert await fetched(client, reference) == [("a.pdf", "application/pdf", PDF)]
        assert len(server.sign_ins) == 3


async def test_a_store_that_takes_no_token_is_not_asked_forever() -> None:
    async with (
        DocumentServer() as server,
        client_at(server.address, token_url=server.token_url) as client,
    ):
        server.faults.extend([401, 401])
        with pytest.raises(DocumentRefused, match="status 401"):
            await fetched(client, server.put(PDF, "a.pdf", "application/pdf"))
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(401, DocumentRefused), (400, DocumentRefused), (503, DocumentsUnavailable)]
)
async def test_a_refused_sign_in_shows_no_secret(status: int, error: type[DocumentError]) -> None:
    async with (
        DocumentServer(needs_token=True) as server,
        client_at(server.address, token_url=server.token_url) as client,
    ):
        server.token_faults.append(status)
        with pytest.raises(error, match=f"authorization server .* status {status}") as caught:
            await fetched(client, server.put(PDF, "a.pdf", "application/pdf"))
        assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("echoed", ["{0}{1}", "the header was {0}{1}", "over two\n {0}\n {1} lines"])
async def test_a_store_that_repeats_the_sign_in_does_not_get_it_shown(echoed: str) -> None:
    sign_in = BasicSignIn("jané", "hunter2-and-more", Mask())
    shown = (await sign_in.authorization()).removeprefix("Basic ")
    for credential in (shown, "hunter2-and-more"):
        hidden = sign_in.mask.hide(echoed.format(credential[:9], credential[9:]))
        assert credential[:5] not in hidden
    assert sign_in.mask.hide("The store says no.") == "The store says no."
    short = BasicSignIn("demo", "demo", Mask())
    assert short.mask.hide("no process 'demo' for demo-user") == "no process '***' for ***-user"


async def test_a_password_in_use_is_hidden_after_thousands_of_other_secrets() -> None:
    sign_in = BasicSignIn("jane", "hunter2-and-more", Mask())
    for number in range(4_000):
        sign_in.mask.learn(f"{number}-another")
        if not number % 500:
            await sign_in.authorization()
    assert sign_in.mask.hide("no: hunter2-and-more") == "no: ***"


async def test_an_access_token_is_hidden_also_when_a_newer_one_is_there() -> None:
    async with DocumentServer() as server:
        token = cluster_token(server.token_url)
        token.forget(await token.authorization())
        await token.authorization()
        await token.close()
    assert token.mask.hide("token-1, token-2, token-3, s3cret") == "***, ***, token-3, ***"


@pytest.mark.parametrize("life_seconds", [math.nan, math.inf, -1, 1e300])
async def test_a_token_with_an_odd_life_is_renewed_after_a_day(life_seconds: float) -> None:
    now = [1_000.0]
    async with DocumentServer(token_life_seconds=life_seconds) as server:
        token = cluster_token(server.token_url, clock=lambda: now[0])
        first = await token.authorization()
        assert await token.authorization() == first
        now[0] += 86_400
        assert await token.authorization() != first
        await token.close()


async def test_the_rest_api_gets_the_password_of_the_cluster() -> None:
    async with DocumentServer() as server:
        http = HttpClient(ssl.create_default_context(), HttpTimeouts(5, 1, 5))
        client = DocumentClient(
            http, DocumentStore(http, server.address, BasicSignIn("demo", "hunter2-more", Mask()))
        )
        reference = server.put(PDF, "a.pdf", "application/pdf")
        await fetched(client, reference)
        server.faults.extend([401, 401])
        with pytest.raises(DocumentRefused, match="status 401"):
            await fetched(client, reference)
        await client.close()
    authorization = f"Basic {base64.b64encode(b'demo:hunter2-more').decode()}"
    assert server.authorizations == [authorization] * 2


async def test_a_token_at_its_end_is_renewed() -> None:
    now = [1_000.0]
    async with DocumentServer(needs_token=True, token_life_seconds=300) as server:
        token = cluster_token(server.token_url, clock=lambda: now[0])
        http = HttpClient(ssl.create_default_context(), HttpTimeouts(5, 1, 5))
        client = DocumentClient(http, DocumentStore(http, server.address, token))
        reference = server.put(PDF, "a.pdf", "application/pdf")
        first = await fetched(client, reference)
        now[0] += 300
        assert await fetched(client, reference) == first
        await client.close()
        assert (len(server.sign_ins), len(server.requests)) == (2, 2)


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    async with (
        DocumentServer(tls_context=certificates.server.server_context()) as server,
        client_at(server.address) as client,
    ):
        with pytest.raises(DocumentRefused, match="certificate is not trusted"):
            await fetched(client, server.put(PDF, "a.pdf", "application/pdf"))
        assert server.requests == []


async def test_the_authority_of_the_cluster_is_that_of_the_gateway(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    async with (
        DocumentServer(tls_context=certificates.server.server_context()) as server,
        email_worker(
            ZEEBE_REST_ADDRESS=server.address, ZEEBE_CA_CERTIFICATE_PATH=str(certificates.ca_file)
        ) as worker,
    ):
        reference = server.put(PDF, "a.pdf", "application/pdf")
        assert await fetched(worker._documents, reference) == [("a.pdf", "application/pdf", PDF)]


async def test_a_url_is_fetched_only_where_it_is_allowed() -> None:
    async with DocumentServer() as server:
        server.pages["a.pdf"] = (200, {"Content-Type": "application/pdf"}, PDF)
        external = {
            "camunda.document.type": "external",
            "url": f"{server.address}/files/a.pdf",
            "name": "b.pdf",
        }
        async with client_at(server.address) as client:
            with pytest.raises(UrlNotAllowed):
                await fetched(client, external)
        assert server.requests == []
        async with client_at(server.address, urls=(f"{server.address}/files/*",)) as client:
            assert await fetched(client, external) == [("b.pdf", "application/pdf", PDF)]


async def test_a_redirect_is_not_followed() -> None:
    async with DocumentServer() as server, client_at(server.address, urls=(server.address,)) as client:
        server.pages["a"] = (302, {"Location": "http://169.254.169.254/"}, b"")
        with pytest.raises(DocumentRefused, match="status 302"):
            await fetched(client, {"camunda.document.type": "external", "url": f"{server.address}/files/a"})


@pytest.mark.parametrize("status", [408, 429, 503])
async def test_a_url_that_is_temporarily_unavailable_may_be_fetched_later(status: int) -> None:
    async with DocumentServer() as server, client_at(server.address, urls=(server.address,)) as client:
        server.pages["a"] = (status, {}, b"")
        with pytest.raises(DocumentsUnavailable, match=f"status {status}"):
            await fetched(client, {"camunda.document.type": "external", "url": f"{server.address}/files/a"})


async def test_a_url_that_gives_too_much_is_cut_off() -> None:
    async with (
        DocumentServer() as server,
        client_at(server.address, urls=(server.address,), max_bytes=1_000) as client,
    ):
        server.pages["a"] = (200, {}, b"x" * 1_000_000)
        with pytest.raises(DocumentTooLarge):
            await fetched(client, {"camunda.document.type": "external", "url": f"{server.address}/files/a"})


async def test_the_worker_signs_in_at_the_store_with_the_clients_usual_variables() -> None:
    key = "document-1"
    reference = {"camunda.document.type": "camunda", "documentId": key, "contentHash": f"hash-of-{key}"}
    async with DocumentServer(needs_token=True) as server, ScriptedSmtp() as smtp:
        server.put(PDF, "Bill.pdf", "application/pdf")
        async with email_worker(
            ZEEBE_REST_ADDRESS=server.address,
            ZEEBE_CLIENT_ID="worker",
            ZEEBE_CLIENT_SECRET="s3cret",
            ZEEBE_AUTHORIZATION_SERVER_URL=server.token_url,
            ZEEBE_TOKEN_AUDIENCE="camunda.example.com",
        ) as worker:
            result = await worker.call(
                "email.smtp.send",
                {
                    "authentication": {"type": "noAuth"},
                    "server": {"host": "127.0.0.1", "port": smtp.port, "cryptographicProtocol": "NONE"},
                    "parameters": {
                        "from": "a@example.com",
                        "to": "b@example.com",
                        "subject": "Bill",
                        "body": "See the file.",
                        "attachments": reference,
                    },
                },
            )
    assert result["sent"] is True
    assert server.sign_ins[0]["audience"] == "camunda.example.com"
    assert b"Content-Type: application/pdf" in smtp.accepted[0].raw
