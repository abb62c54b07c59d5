from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs
from testkit.accounts import Account
from testkit.counting_proxy import CountingProxy, Cut
from testkit.dovecot import Dovecot
from testkit.pop3_caller import Pop3Caller
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import Dialogue, Step, close, hang, reset, say
from testkit.wire import Pop3Wire
from testkit.workers import email_worker

from worker.documents.client import DocumentClient
from worker.errors import (
    ConnectionFailed,
    DocumentsUnavailable,
    MailServerError,
    MessageIdAmbiguous,
    MessageNotFound,
    ServerRefused,
    ServerTimeout,
    ServerUnavailable,
)
from worker.models.documents import File
from worker.models.email import ReadEmail
from worker.models.pop3 import ReadRequest
from worker.operations.pop3 import read_email

MakeCaller = Callable[..., Pop3Caller]


def mail(name: str, body: str = "Hello") -> bytes:
    return f"From: ann@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\n\r\n{body}\r\n".encode()


async def read_and_commit(caller: Pop3Caller) -> None:
    _, deferred = await caller.read("one@x")
    await deferred.commit()


async def test_a_read_mail_goes_with_the_commit_and_not_before(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    user = dovecot_account.username
    dovecot.deliver(user, mail("one"))
    dovecot.deliver(user, mail("two"))
    read, deferred = await make_caller(dovecot.pop3_port, dovecot_account).read("<one@x>")
    assert read == {
        "messageId": "<one@x>",
        "fromAddress": "ann@example.org",
        "headers": [
            {"header": "From", "value": "ann@example.org"},
            {"header": "Subject", "value": "one"},
            {"header": "Message-ID", "value": "<one@x>"},
        ],
        "subject": "one",
        "size": len(mail("one")),
        "plainTextBody": "Hello\n",
        "htmlBody": None,
        "receivedDateTime": None,
        "sentDate": None,
        "toAddresses": [],
        "ccAddresses": [],
        "attachments": [],
    }
    assert len(dovecot.messages(user)) == 2
    await deferred.commit()
    assert [stored.raw for stored in dovecot.messages(user)] == [mail("two")]


async def test_a_deleted_mail_goes_with_the_commit_and_not_before(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    user = dovecot_account.username
    dovecot.deliver(user, mail("one"))
    answer, deferred = await make_caller(dovecot.pop3_port, dovecot_account).delete("one@x")
    assert answer == {"deleted": True, "messageId": "one@x"}
    assert len(dovecot.messages(user)) == 1
    await deferred.commit()
    assert dovecot.messages(user) == []


@pytest.mark.parametrize("operation", ["read", "delete"])
async def test_an_abandoned_mail_stays_and_can_be_read_again(
    operation: str, dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, mail("one"))
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        _, deferred = await getattr(caller, operation)("one@x")
        await deferred.abandon()
        assert proxy.verbs[-1] == "QUIT"
        assert "DELE" not in proxy.verbs
        assert len(dovecot.messages(dovecot_account.username)) == 1
        _, deferred = await caller.read("one@x")
        await deferred.commit()
        assert dovecot.messages(dovecot_account.username) == []


@pytest.mark.parametrize("verb", ["RETR", "DELE"])
@pytest.mark.parametrize("when", list(Cut))
async def test_a_connection_cut_before_the_end_leaves_the_mail(
    verb: str, when: Cut, dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, mail("one"))
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        proxy.cut(verb, when)
        with pytest.raises(MailServerError) as failure:
            await read_and_commit(caller)
        assert failure.value.is_retryable
        assert proxy.cuts == 1
        assert len(dovecot.messages(dovecot_account.username)) == 1
        _, deferred = await caller.read("one@x")
        await deferred.commit()
        assert dovecot.messages(dovecot_account.username) == []


async def test_a_worker_that_dies_before_quit_leaves_the_mail(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, mail("one"))
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        _, deferred = await caller.read("one@x")
        # All that a server sees of a kill -9 is the end of the connection.
        await proxy.close_connections()
        assert len(dovecot.messages(dovecot_account.username)) == 1
        with pytest.raises(ConnectionFailed):
            await deferred.commit()


@pytest.mark.parametrize("verb", ["DELE", "QUIT"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (say("-ERR [SYS/TEMP] disk full"), ServerUnavailable),
        (say("-ERR some messages not removed"), ServerRefused),
        (close(), ConnectionFailed),
        (reset(), ConnectionFailed),
        (hang(), ServerTimeout),
    ],
)
async def test_a_deletion_that_fails_is_counted_and_the_next_read_is_answered(
    verb: str, fault: Step, error: type[MailServerError], make_caller: MakeCaller
) -> None:
    async with ScriptedPop3(
        {"1": mail("one")}, Pop3Options(faults={verb: fault}, fault_sessions=1)
    ) as server:
        caller = make_caller(server.port, has_short_timeouts=True)
        _, deferred = await caller.read("one@x")
        with pytest.raises(error):
            await deferred.commit()
        assert caller.mailboxes.failed_deletions == 1
        read, deferred = await caller.read("one@x")
        assert read["subject"] == "one"
        await deferred.commit()
        assert server.messages == []
        assert caller.mailboxes.failed_deletions == 1


async def test_a_mail_whose_number_the_server_does_not_tell_any_more_is_not_said_to_be_gone(
    make_caller: MakeCaller,
) -> None:
    is_read = asyncio.Event()

    async def uidl(dialogue: Dialogue) -> None:
        if is_read.is_set():
            await dialogue.say("-ERR later")
        elif dialogue.commands[-1] == "UIDL":
            await say("+OK", "1 uid-1", ".")(dialogue)
        else:
            await dialogue.say("+OK 1 uid-1")

    async with ScriptedPop3({"uid-1": mail("one")}, Pop3Options(faults={"UIDL": uidl})) as server:
        caller = make_caller(server.port)
        _, deferred = await caller.read("pop3:uid-1")
        is_read.set()
        with pytest.raises(ServerRefused):
            await deferred.commit()
        assert caller.mailboxes.failed_deletions == 1
        assert len(server.messages) == 1


async def test_a_call_without_an_engine_gives_what_it_read_though_the_deletion_failed() -> None:
    options = Pop3Options(faults={"QUIT": close()})
    async with ScriptedPop3({"1": mail("one")}, options) as server, email_worker() as worker:
        with capture_logs() as logs:
            result = await worker.call(
                "email.pop3.read",
                {
                    "authentication": {"username": "ann", "password": "s3cret"},
                    "server": {"host": "127.0.0.1", "port": server.port, "cryptographicProtocol": "NONE"},
                    "parameters": {"messageId": "one@x"},
                },
            )
    assert result["subject"] == "one"
    (line,) = [line for line in logs if line["event"] == "email_not_deleted"]
    assert line["code"] == "CONNECTION_FAILED"


async def test_a_lost_answer_to_quit_does_not_delete_another_mail_later(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    user = dovecot_account.username
    for name in ("one", "two"):
        dovecot.deliver(user, mail(name))
    async with CountingProxy(Pop3Wire, dovecot.pop3_port) as proxy:
        caller = make_caller(proxy.port, dovecot_account)
        _, deferred = await caller.read("one@x")
        proxy.cut("QUIT", Cut.BEFORE_ANSWER)
        with pytest.raises(ConnectionFailed):
            await deferred.commit()
        assert [stored.raw for stored in dovecot.messages(user)] == [mail("two")]
        for attempt in (caller.read, caller.delete):
            with pytest.raises(MessageNotFound):
                await attempt("one@x")
        assert [stored.raw for stored in dovecot.messages(user)] == [mail("two")]


async def test_a_lock_that_lasts_too_long_is_given_up_and_the_mail_stays(
    make_caller: MakeCaller,
) -> None:
    async with ScriptedPop3({"1": mail("one")}) as server:
        caller = make_caller(server.port, max_lock_seconds=0.1)
        _, deferred = await caller.read("one@x")
        await server.heard("QUIT")
        assert server.verbs[-1] == "QUIT"
        assert "DELE" not in server.verbs
        with pytest.raises(ConnectionFailed, match="still there"):
            await deferred.commit()
        await deferred.abandon()
        assert caller.mailboxes.failed_deletions == 1
        assert len(server.messages) == 1


async def test_closing_the_mailboxes_gives_up_what_waits_for_the_engine(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": mail("one")}) as server:
        caller = make_caller(server.port)
        await caller.read("one@x")
        await caller.mailboxes.close()
        assert server.verbs[-1] == "QUIT"
        assert "DELE" not in server.verbs
        assert len(server.messages) == 1


async def test_a_cancelled_commit_frees_the_mailbox(make_caller: MakeCaller) -> None:
    options = Pop3Options(faults={"QUIT": hang()}, fault_sessions=1)
    async with ScriptedPop3({"1": mail("one")}, options) as server:
        caller = make_caller(server.port)
        _, deferred = await caller.read("one@x")
        commit = asyncio.ensure_future(deferred.commit())
        await server.heard("QUIT")
        commit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await commit
        assert len(await caller.list_emails()) == 1


async def test_if_several_emails_have_the_id_the_newest_is_read_and_none_is_deleted(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    user = dovecot_account.username
    for body in ("old", "new"):
        dovecot.deliver(user, mail("twin", body))
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    with pytest.raises(MessageIdAmbiguous) as failure:
        await caller.delete("twin@x")
    assert len(dovecot.messages(user)) == 2
    read, deferred = await caller.read("twin@x")
    assert read["plainTextBody"] == "new\n"
    await deferred.abandon()
    older, _ = failure.value.details["candidates"]
    _, deferred = await caller.delete(older)
    await deferred.commit()
    assert [stored.raw for stored in dovecot.messages(user)] == [mail("twin", "new")]


async def test_an_email_is_not_deleted_if_the_result_does_not_contain_its_whole_text(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    dovecot.deliver(dovecot_account.username, mail("long", "x" * 10_000))
    caller = make_caller(dovecot.pop3_port, dovecot_account)
    caller.max_result_bytes = 2_000
    answer = await caller.call(read_email, ReadRequest, {"messageId": "long@x"})
    assert isinstance(answer.result, ReadEmail)
    assert answer.result.truncated
    assert answer.deferred is None
    assert len(dovecot.messages(dovecot_account.username)) == 1


async def test_a_store_that_does_not_answer_unlocks_the_mailbox_and_the_mail_stays(
    make_caller: MakeCaller,
) -> None:
    class HangingStore(DocumentClient):
        def require_store(self) -> Any:
            return self

        async def create(self, _file: File) -> None:
            await asyncio.Event().wait()

    content = b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
    async with ScriptedPop3({"1": content + mail("one")}) as server:
        caller = make_caller(server.port, max_lock_seconds=0.1)
        caller.documents = HangingStore()
        wanted = {"messageId": "one@x", "storeAttachments": True}
        with pytest.raises(DocumentsUnavailable, match="still there"):
            await caller.call(read_email, ReadRequest, wanted)
        assert server.verbs[-1] == "QUIT"
        assert "DELE" not in server.verbs
        assert len(await caller.list_emails()) == 1


async def test_of_two_workers_that_read_one_email_at_the_same_time_both_get_it_or_one_does_not_find_it(
    dovecot: Dovecot, dovecot_account: Account, make_caller: MakeCaller
) -> None:
    user = dovecot_account.username
    for name in ("one", "two"):
        dovecot.deliver(user, mail(name))
    callers = [make_caller(dovecot.pop3_port, dovecot_account) for _ in range(2)]

    outcomes = await asyncio.gather(*map(read_and_commit, callers), return_exceptions=True)
    assert None in outcomes
    assert [stored.raw for stored in dovecot.messages(user)] == [mail("two")]


async def test_a_mail_that_is_not_there_ends_in_an_orderly_session(make_caller: MakeCaller) -> None:
    async with ScriptedPop3({"1": mail("one")}) as server:
        with pytest.raises(MessageNotFound, match="no message with the id two@x"):
            await make_caller(server.port).read("two@x")
        assert server.verbs[-1] == "QUIT"
