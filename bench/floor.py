"""Floor: the time of each operation on a warm session against the least that a client can do for it.

Two such clients send the fewest commands that the protocol allows. The one does no more than exchange: what
it sends was written beforehand, and what it gets is not read. The other does the operation: it takes the same
variables and gives the same result, by the standard library.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from testkit.accounts import Account

from bench import bare_mail
from bench.bare_pop3 import visit
from bench.bare_smtp import BareSmtp
from bench.scale import Scale
from bench.servers import HOST, MailStore, mail_store, own_sink, smtp_sink
from bench.sides import (
    IMAP_OPERATIONS,
    LETTER,
    LIST_ANEW,
    LISTED,
    BareSide,
    WorkerImap,
    compare,
    numbered_id,
    variables_for,
    worker_with,
)
from worker import EmailWorker

Rows = list[dict[str, Any]]


async def measure(scale: Scale) -> dict[str, Any]:
    """Measure all operations."""
    with mail_store() as store:
        mine, bare, wire = (store.account(name, scale.folder_messages) for name in ("mine", "bare", "wire"))
        port = store.dovecot.imap_port
        client, exchange = BareSide.at(port, bare), BareSide.at(port, wire)
        async with worker_with() as email:
            imap = _Imap(scale, WorkerImap(email, port, mine), client, exchange)
            rows = [await imap.measure("list", "IMAP list, again")]
        # With nothing remembered, each list is a first one.
        async with worker_with(EMAIL_WORKER_MAX_REMEMBERED_BYTES="0") as email:
            imap = _Imap(scale, WorkerImap(email, port, mine), client, exchange)
            rows += [await imap.measure(operation) for operation in (LIST_ANEW, *IMAP_OPERATIONS[1:])]
        client.session.close()
        exchange.session.close()
        rows += await _smtp(scale, store)
        rows.append(await _pop3(scale, store.dovecot.pop3_port, mine))
    return {"rows": rows, "folder_messages": scale.folder_messages}


@dataclass
class _Imap:
    """The three at equal accounts of their own."""

    scale: Scale
    worker: WorkerImap
    client: BareSide
    exchange: BareSide
    next_number: int = 1

    async def measure(self, operation: str, title: str = "") -> dict[str, Any]:
        """Each message is looked for once only: what is remembered of it does not help."""
        first, self.next_number = self.next_number, self.next_number + self.scale.floor_rounds + 1

        def chosen(number: int) -> int:
            # A search takes the high numbers, which are no beginning of another number: it finds one message.
            return self.scale.folder_messages - first - number if operation == "search" else first + number

        return await _row(
            title or f"IMAP {operation}",
            1.3,
            lambda number: self.worker.do(operation, chosen(number)),
            lambda number: self._done(operation, chosen(number)),
            lambda number: self.exchange.do(operation, chosen(number)),
            self.scale.floor_rounds,
        )

    def _done(self, operation: str, number: int) -> object:
        answer = self.client.do(operation, number)
        match operation:
            case "search":
                return bare_mail.found(answer)
            case "read":
                return bare_mail.read(answer)
            case "delete":
                return {"deleted": True, "messageId": numbered_id(number)}
            case "move":
                return {"messageId": numbered_id(number), "from": "INBOX", "to": "Archive"}
            case _:
                return [*bare_mail.listed(answer).values()]


async def _smtp(scale: Scale, store: MailStore) -> Rows:
    certificate, authority = store.certificates.server, store.certificates
    with (
        smtp_sink() as plain_port,
        own_sink("--certificate", str(certificate.chain_file), str(certificate.key_file)) as tls_port,
    ):
        async with worker_with(EMAIL_WORKER_TLS_CA_FILE=str(authority.ca_file)) as email:
            plain = [BareSmtp(HOST, plain_port) for _ in range(2)]
            encrypted = [BareSmtp(HOST, tls_port, authority.client_context()) for _ in range(2)]
            variables = variables_for(tls_port, LETTER, protocol="TLS")
            return [
                await _send(scale, email, variables_for(plain_port, LETTER), "SMTP send", *plain),
                await _send(scale, email, variables, "SMTP send, STARTTLS", *encrypted),
            ]


async def _send(
    scale: Scale,
    email: EmailWorker,
    variables: Mapping[str, Any],
    title: str,
    client: BareSmtp,
    exchange: BareSmtp,
) -> dict[str, Any]:
    async def worker(_number: int) -> object:
        return _without_id(await email.call("email.smtp.send", variables))

    def send(_number: int) -> object:
        offer, message, sent = bare_mail.compose(variables["parameters"])
        client.send(offer, message)
        return _without_id(sent)

    row = await _row(
        title,
        1.2,
        worker,
        send,
        lambda _: exchange.send(),
        scale.send_rounds,
    )
    client.close()
    exchange.close()
    return row


def _without_id(sent: dict[str, Any]) -> dict[str, Any]:
    """Leave out what each gives another value."""
    return {name: value for name, value in sent.items() if name != "messageId"}


async def _pop3(scale: Scale, port: int, account: Account) -> dict[str, Any]:
    """A POP3 list whose headers are all known; round 0, which is not counted, fetches the worker's."""
    uids, sizes = ([line.split() for line in each.splitlines()] for each in visit(HOST, port, account))
    headers = visit(HOST, port, account, [f"TOP {number.decode()} 0" for number, _ in uids])
    known = {
        uid: bare_mail.listed_row(header, int(size), None)
        for (_, uid), (_, size), header in zip(uids, sizes, headers, strict=True)
    }

    def listed(_number: int) -> object:
        listing, _ = visit(HOST, port, account)
        rows = [known[line.split()[1]] for line in listing.splitlines()]
        return sorted(rows, key=lambda row: row["receivedDateTime"])[:LISTED]

    variables = variables_for(port, {"maxToBeRead": LISTED}, account=account)
    async with worker_with() as email:
        return await _row(
            "POP3 list, headers remembered",
            1.3,
            lambda _: email.call("email.pop3.list", variables),
            listed,
            lambda _: visit(HOST, port, account),
            scale.floor_rounds,
        )


async def _row(
    title: str,
    goal: float,
    worker: Callable[[int], Awaitable[object]],
    client: Callable[[int], object],
    exchange: Callable[[int], object],
    rounds: int,
) -> dict[str, Any]:
    first: dict[str, Any] = {}

    async def ours(number: int) -> None:
        result = await worker(number)
        first.setdefault("worker", result)

    async def theirs(number: int) -> None:
        first.setdefault("client", client(number))

    async def bytes_alone(number: int) -> None:
        exchange(number)

    worker_ms, client_ms, exchange_ms = await compare(ours, theirs, bytes_alone, rounds=rounds)
    if first["worker"] != first["client"]:
        raise RuntimeError(f"{title}: not the same work: {first}")
    return {
        "operation": title,
        "goal": goal,
        "worker_ms": worker_ms.to_json(),
        "bare_ms": client_ms.to_json(),
        "exchange_ms": exchange_ms.to_json(),
        "ratio": worker_ms.ratio_to(client_ms),
        "ratio_to_exchange": worker_ms.ratio_to(exchange_ms),
    }
