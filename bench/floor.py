"""Floor: the time of each operation on a warm session against the fewest commands of a bare client."""

from __future__ import annotations

from typing import Any

from testkit.accounts import Account

from bench.bare_pop3 import list_maildrop
from bench.bare_smtp import BareSmtp
from bench.distribution import Distribution
from bench.scale import Scale
from bench.servers import HOST, MailStore, mail_store, own_sink, smtp_sink
from bench.sides import (
    IMAP_OPERATIONS,
    LETTER,
    LIST_ANEW,
    BareSide,
    WorkerImap,
    compare,
    variables_for,
    worker_with,
)

Rows = list[dict[str, Any]]


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure all operations."""
    with mail_store() as store:
        mine, bare = (store.account(name, scale.folder_messages) for name in ("mine", "bare"))
        rows = await _imap(scale, store, mine, bare)
        rows += await _smtp(scale, store)
        rows += await _pop3(scale, store, mine)
    return {"rows": rows, "folder_messages": scale.folder_messages}


async def _imap(scale: Scale, store: MailStore, mine: Account, bare: Account) -> Rows:
    client = BareSide.at(store.dovecot.imap_port, bare)
    rows = [await _list_again(scale, store, mine, client)]
    # With nothing remembered, each round is a first one.
    async with worker_with(EMAIL_WORKER_MAX_REMEMBERED_BYTES="0") as email:
        worker = WorkerImap(email, store.dovecot.imap_port, mine)
        for step, operation in enumerate((LIST_ANEW, *IMAP_OPERATIONS[1:])):
            # Each message is looked for once only: what is remembered of it does not help.
            first = 1 + step * (scale.floor_rounds + 1)

            async def ours(number: int, operation: str = operation, first: int = first) -> object:
                return await worker.do(operation, _chosen(operation, first + number, scale))

            async def theirs(number: int, operation: str = operation, first: int = first) -> object:
                return client.do(operation, _chosen(operation, first + number, scale))

            rows.append(_row(f"IMAP {operation}", 1.3, *await compare(ours, theirs, scale.floor_rounds)))
    client.session.close()
    return rows


async def _list_again(scale: Scale, store: MailStore, mine: Account, client: BareSide) -> dict[str, Any]:
    async with worker_with() as email:
        worker = WorkerImap(email, store.dovecot.imap_port, mine)

        async def ours(_number: int) -> object:
            return await worker.do("list", 1)

        async def theirs(_number: int) -> object:
            return client.do("list", 1)

        # Round 0, which is not counted, fetches what is then remembered.
        title = "IMAP list, again"
        return _row(title, 1.3, *await compare(ours, theirs, scale.floor_rounds))


def _chosen(operation: str, number: int, scale: Scale) -> int:
    """A search takes the high numbers, which are no beginning of another number: it finds one message."""
    return scale.folder_messages - number if operation == "search" else number


async def _smtp(scale: Scale, store: MailStore) -> Rows:
    certificate, authority = store.certificates.server, store.certificates
    with (
        smtp_sink() as plain_port,
        own_sink("--certificate", str(certificate.chain_file), str(certificate.key_file)) as tls_port,
    ):
        plain = BareSmtp(HOST, plain_port)
        encrypted = BareSmtp(HOST, tls_port, authority.client_context())
        async with worker_with(EMAIL_WORKER_TLS_CA_FILE=str(authority.ca_file)) as email:
            return [
                await _send(scale, email, plain, variables_for(plain_port, LETTER), "SMTP send"),
                await _send(
                    scale,
                    email,
                    encrypted,
                    variables_for(tls_port, LETTER, protocol="TLS"),
                    "SMTP send, STARTTLS",
                ),
            ]


async def _send(
    scale: Scale, email: Any, client: BareSmtp, variables: dict[str, Any], title: str
) -> dict[str, Any]:
    async def ours(_number: int) -> object:
        return await email.call("email.smtp.send", variables)

    async def theirs(_number: int) -> object:
        return client.send()

    row = _row(title, 1.2, *await compare(ours, theirs, scale.floor_rounds))
    client.close()
    return row


async def _pop3(scale: Scale, store: MailStore, account: Account) -> Rows:
    port = store.dovecot.pop3_port
    variables = variables_for(port, {"maxToBeRead": 100}, account=account)

    async def theirs(_number: int) -> object:
        return list_maildrop(HOST, port, account.username, account.password)

    async with worker_with() as email:

        async def ours(_number: int) -> object:
            return await email.call("email.pop3.list", variables)

        # Round 0, which is not counted, fetches the headers.
        title = "POP3 list, headers remembered"
        return [_row(title, 1.3, *await compare(ours, theirs, scale.floor_rounds))]


def _row(title: str, goal: float, worker: Distribution, bare: Distribution) -> dict[str, Any]:
    return {
        "operation": title,
        "goal": goal,
        "worker_ms": worker.to_json(),
        "bare_ms": bare.to_json(),
        "ratio": worker.ratio_to(bare),
    }
