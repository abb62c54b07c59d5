"""Nobody gets more of a server, or of the operator's network, by another spelling."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from testkit.job_bench import Bench
from testkit.jobs import make_job, variables_for
from testkit.skipping_clock import on_skipping_clock

from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import ServerNotAllowed, UrlNotAllowed
from worker.job.admission import NotAdmitted
from worker.job.send_rate import SendRate
from worker.mail.account import Account, Encryption, MailProtocol, ServerPolicy, account_of
from worker.models.authentication import Authentication
from worker.models.base import Server
from worker.models.documents import parse_documents

SPELLINGS = {
    "mail.example.com": [
        "MAIL.example.com",
        "mail.example.com.",
        " Mail.Example.Com ",
        "\uff4d\uff41\uff49\uff4c.example\u3002com",
    ],
    "2001:db8::1": ["[2001:DB8::1]", "2001:0db8:0:0:0:0:0:1", "2001:db8:0:0::0.0.0.1", "2001:db8::1%7"],
    "fe80::1%eth0": ["FE80::1%ETH0", "[fe80:0:0:0:0:0:0:1%eth0]"],
    "127.0.0.1": [
        *("127.1", "0x7f.1", "0177.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "::FFFF:7f00:1"),
        *("017700000001", "00000000000000177.0.0.1", "0x00000000007f.1", "127\u30020.0.1."),
    ],
    "xn--bcher-kva.example": ["bücher.example", "BÜCHER.example", "XN--BCHER-KVA.example"],
}


def account(host: str) -> Any:
    authentication = Authentication.model_validate({"username": "u", "password": "p"})
    return account_of(MailProtocol.POP3, Server(host=host), authentication)


@pytest.mark.parametrize(
    ("host", "spelling"), [(host, spelling) for host, others in SPELLINGS.items() for spelling in others]
)
def test_all_spellings_of_a_server_have_one_share_and_one_pattern(host: str, spelling: str) -> None:
    assert account(spelling).server == account(host).server
    ServerPolicy((host if ":" not in host else f"[{host}]",)).admit(account(spelling))
    ServerPolicy((spelling.strip() if "::" not in spelling else f"[{spelling.strip('[]')}]",)).admit(
        account(host)
    )
    with pytest.raises(ServerNotAllowed):
        ServerPolicy(("other.example.com",)).admit(account(spelling))


def test_strangers_with_wrong_passwords_use_up_nothing_of_the_sends_of_the_owner() -> None:
    stranger, owner = (
        Account(MailProtocol.SMTP, "mail.example.com", 587, Encryption.STARTTLS, "ann", password)
        for password in ("guess", "right")
    )
    rate = SendRate(1, lambda: 0.0)
    rate.admit(stranger)
    with pytest.raises(NotAdmitted):
        rate.admit(stranger)
    rate.admit(owner)


@on_skipping_clock
async def test_strangers_with_wrong_passwords_leave_the_owner_a_turn_at_the_mailbox() -> None:
    bench = Bench(max_jobs=16, max_jobs_per_server=8, protocol=MailProtocol.POP3)
    bench.handler.shut()
    strangers, owner = (
        {**variables_for(), "authentication": {"username": "ann", "password": password}}
        for password in ("wrong", "right")
    )
    # The clock skips ahead as soon as everybody waits.
    async with asyncio.timeout(60), bench.serving():
        bench.gateway.offer(*(make_job(variables=strangers) for _ in range(6)))
        # Half of the server's places are theirs; the others are returned.
        await bench.gateway.until_taken(2)
        bench.gateway.offer(make_job(variables=owner))
        await bench.until_running(5)
        bench.handler.open()


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/invoices/..;/admin",
            "/invoices/.;/..;x=1/admin",
            "/invoices/..%3b/admin",
            "/invoices/%2e%2e/admin",
        ),
        *(
            "/invoices/%252e%252e/admin",
            "/invoices/..%2fadmin",
            "/invoices/..\\admin",
            "/invoices/..%5cadmin",
        ),
        *(
            "/invoices/%2e%2e;a=b/admin",
            "/invoices/..%00/admin",
            "/invoices/%2E./admin",
        ),
        *("/invoices/..%23/admin", "/invoices/..%3fx/admin"),
        *("/invoices/..%09/admin", "/invoices/..%253b/admin", "/invoices;/../admin", "/invoices/..;"),
        *("/invoices/%c0%ae%c0%ae/admin", "/invoices/..%c0%afadmin", "/invoices/%u002e%u002e/admin"),
        *("/invoices/\uff0e\uff0e/admin", "/invoices/..%c2%a0/admin", "/invoices/..%20/admin", "/admin"),
    ],
)
def test_no_url_leads_out_of_the_path_that_is_allowed(path: str) -> None:
    policy = UrlPolicy((UrlPattern.parse("http://files.example.com/invoices/*"),))
    policy.admit("http://files.example.com/invoices/2026/1..2.pdf")
    with pytest.raises(UrlNotAllowed):
        policy.admit(f"http://files.example.com{path}")


@pytest.mark.parametrize("between", ["\0", "%00", "%2f", "%23", " ", "%20", "\x7f", "%5c", "\u200b\0"])
def test_no_host_is_allowed_that_the_system_reads_as_another_one(between: str) -> None:
    policy = UrlPolicy((UrlPattern.parse("http://*.example.com/*"),))
    policy.admit("http://127.0.0.1.example.com/")
    with pytest.raises(UrlNotAllowed):
        policy.admit(f"http://127.0.0.1{between}.example.com/")


@pytest.mark.parametrize("document_id", [".", "..", " .. "])
def test_a_document_id_cannot_leave_its_path(document_id: str) -> None:
    with pytest.raises(ValueError, match="documentId may not be"):
        parse_documents({"camunda.document.type": "camunda", "documentId": document_id})
