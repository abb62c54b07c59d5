"""What servers do that the protocol does not say, or that few do; each kind is from public reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from testkit.imap_caller import ImapCaller
from testkit.scripted_imap import ImapOptions, ScriptedImap, answer, when
from testkit.scripted_server import Dialogue, Step, close, say

from worker.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    FolderNotFound,
    MessageNotFound,
    NotSupported,
    ProtocolViolation,
    QuotaExceeded,
    ServerRefused,
    ServerUnavailable,
)

MakeCaller = Callable[..., ImapCaller]

FIRST = "1@scripted.example.org"
ALL = ["Message 1", "Message 2", "Message 3"]
ROW = '* {n} FETCH (UID {n} RFC822.SIZE 9 BODY[HEADER] "Subject: Message {n}")'


def rows(*numbers: int) -> list[str]:
    return [ROW.replace("{n}", str(number)) for number in numbers]


def subjects(mails: list[dict[str, Any]]) -> list[str]:
    return [mail["subject"] for mail in mails]


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 MOVE UIDPLUS", "IMAP4rev1 MOVE"])
@pytest.mark.parametrize(
    "reply",
    [
        ("* 1 EXPUNGE", "{tag} OK done"),
        ("* 1 EXPUNGE", "{tag} OK [COPYUID 9 1 5] moved to [Done]"),
        ("* OK [COPYUID 0 1 41] moved", "* 1 EXPUNGE", "{tag} OK done"),
        ("* 1 EXPUNGE", "{tag} OK [COPYUID] done"),
        ("* 1 EXPUNGE", "{tag} OK [COPYUID 9 1] done"),
        ("* 1 EXPUNGE", "{tag} OK [COPYUID x y z] done"),
        ("* 1 EXPUNGE", "{tag} OK [COPYUID 9 1 99999999999999999999999] done"),
        ("{tag} OK done",),
    ],
)
async def test_a_message_that_is_gone_after_move_has_moved_whatever_copyuid_says(
    make_caller: MakeCaller, capabilities: str, reply: tuple[str, ...]
) -> None:
    def has_moved(dialogue: Dialogue) -> bool:
        return any("UID MOVE" in command for command in dialogue.commands)

    async def fetch(dialogue: Dialogue) -> None:
        if not has_moved(dialogue):
            await dialogue.say("* 1 FETCH (UID 1 RFC822.SIZE 9)")
        await dialogue.say("{tag} OK done")

    faults = {"UID MOVE": say(*reply), "UID FETCH": fetch}
    async with ScriptedImap(ImapOptions(capabilities=capabilities, faults=faults)) as server:
        moved = await make_caller(server.port).move("imap:7.1", "Target")
    assert moved["to"] == "Target"


async def test_a_message_that_is_still_there_after_move_has_not_moved(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID MOVE": answer("OK done")})) as server:
        with pytest.raises(ServerRefused, match="still in INBOX"):
            await make_caller(server.port).move(FIRST, "Target")


@pytest.mark.parametrize("text", ["NO UID EXPUNGE", "BAD unknown command"])  # ProtonMail/proton-bridge#123
async def test_where_uid_expunge_is_announced_and_refused_expunge_removes_the_message(
    make_caller: MakeCaller, text: str
) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID EXPUNGE": answer(text)})) as server:
        assert await make_caller(server.port).delete(FIRST)
    assert server.verbs.count("EXPUNGE") == 1


@pytest.mark.parametrize("text", ["NO not implemented", "BAD unknown command"])
async def test_where_move_is_announced_and_refused_the_message_is_copied_and_removed(
    make_caller: MakeCaller, text: str
) -> None:
    nothing_like_it = when("UID 1:*", answer("OK done"))
    faults = {"UID MOVE": answer(text), "UID COPY": answer("OK done"), "UID SEARCH": nothing_like_it}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        moved = await make_caller(server.port).move(FIRST, "Target")
    assert moved["to"] == "Target"
    assert server.verbs.count("UID COPY") == server.verbs.count("UID EXPUNGE") == 1


@pytest.mark.parametrize("text", ["OK done", "OK [COPYUID 9 1] done", "OK [COPYUID 9 1 5] done"])
async def test_a_copy_needs_no_copyuid(make_caller: MakeCaller, text: str) -> None:
    nothing_like_it = when("UID 1:*", answer("OK done"))
    faults = {"UID COPY": answer(text), "UID SEARCH": nothing_like_it}
    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1", faults=faults)) as server:
        await make_caller(server.port).move(FIRST, "Target")
    assert server.verbs.count("UID COPY") == 1


async def test_a_target_that_may_not_be_looked_at_does_not_undo_a_move(make_caller: MakeCaller) -> None:
    faults = {
        "UID MOVE": say("* 1 EXPUNGE", "{tag} OK [COPYUID 9 1 5] done"),
        "SELECT": when("Target", answer("NO [NOPERM] no")),
    }
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        assert await make_caller(server.port).move(FIRST, "Target")


NAMESPACES = '* NAMESPACE (("INBOX." ".")) NIL (("pub." ".") ("Public/" "/"))'


@pytest.mark.parametrize(
    ("path", "name", "is_new"),
    [
        ("pub/shared", "pub.shared", False),
        ("Public.Team", "Public/Team", False),
        ("pub/new", "pub.new", True),
        ("Public.new", "Public/new", True),
        ("own/new", "own.new", True),
        ("Entwu\u0308rfe", "Entw&APw-rfe", False),
        ("publisher/new", "INBOX.publisher.new", True),
        ("Sent", "INBOX.Sent", False),
    ],
)
async def test_a_path_means_a_folder_in_any_namespace_before_a_new_one_of_ones_own(
    make_caller: MakeCaller, path: str, name: str, is_new: bool
) -> None:
    folders = ('* LIST () "." INBOX', '* LIST () "." INBOX.Sent', '* LIST () "." pub.shared')
    faults = {
        "LIST": say(
            *folders,
            '* LIST () "/" Public/Team',
            '* LIST () "." own',
            '* LIST () "." Entw&APw-rfe',
            "{tag} OK done",
        ),
        "NAMESPACE": say(NAMESPACES, "{tag} OK done"),
        "UID MOVE": say("* 1 EXPUNGE", "{tag} OK done"),
    }
    async with ScriptedImap(ImapOptions(capabilities="IMAP4rev1 MOVE NAMESPACE", faults=faults)) as server:
        await make_caller(server.port).move(FIRST, path)
    moves = [command for command in server.commands if "UID MOVE" in command]
    assert [command.split('"')[1] for command in moves] == [name]
    assert any(command.endswith(f'CREATE "{name}"') for command in server.commands) == is_new
    assert sum("CREATE" in command for command in server.commands) <= 2


async def test_a_part_of_a_fetch_is_not_taken_for_the_whole(make_caller: MakeCaller) -> None:
    async def fetch(dialogue: Dialogue) -> None:
        uids = dialogue.commands[-1].split(" ")[3]
        last = int(uids.replace("1:*", "1:3").rpartition(":")[2])
        await dialogue.say("\r\n".join(rows(last)))
        await dialogue.say(f"{{tag}} OK [MESSAGELIMIT 1 {last}] partial" if last > 1 else "{tag} OK done")

    async with ScriptedImap(ImapOptions(faults={"UID FETCH": fetch})) as server:
        caller = make_caller(server.port)
        assert sorted(subjects(await caller.list_emails())) == ALL


async def test_a_part_of_a_search_is_not_taken_for_the_whole(make_caller: MakeCaller) -> None:
    async def search(dialogue: Dialogue) -> None:
        if "UID 1:1 " in dialogue.commands[-1]:
            await dialogue.say("* SEARCH 1\r\n{tag} OK done")
        else:
            await dialogue.say("* SEARCH 2 3\r\n{tag} OK [MESSAGELIMIT 2 2] partial")

    async with ScriptedImap(ImapOptions(faults={"UID SEARCH": search})) as server:
        assert subjects(await make_caller(server.port).search()) == ALL


@pytest.mark.parametrize("text", ["[MESSAGELIMIT 2]", "[MESSAGELIMIT 2 x]", "[MESSAGELIMIT 2 0]"])
async def test_a_part_that_does_not_say_where_it_ends_is_an_error(make_caller: MakeCaller, text: str) -> None:
    faults = {"UID SEARCH": say("* SEARCH 2 3", f"{{tag}} OK {text} partial")}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        with pytest.raises(ProtocolViolation):
            await make_caller(server.port).search()


async def test_a_sort_of_a_part_is_not_taken_for_that_of_the_folder(make_caller: MakeCaller) -> None:
    faults = {"UID SORT": say("* SORT 500 499", "{tag} OK [MESSAGELIMIT 2 499] partial")}
    options = ImapOptions(capabilities="IMAP4rev1 SORT", message_count=500, faults=faults)
    async with ScriptedImap(options) as server:
        mails = await make_caller(server.port).list_emails(maxToBeRead=3, sortField="SIZE", sortOrder="ASC")
    assert subjects(mails) == ALL


@pytest.mark.parametrize("is_announced_again", [True, False])
async def test_the_client_says_who_it_is_where_that_is_announced(
    make_caller: MakeCaller, is_announced_again: bool
) -> None:
    async def select(dialogue: Dialogue) -> None:
        is_known = any(" ID " in command for command in dialogue.commands)
        await dialogue.say("{tag} OK done" if is_known else "{tag} NO SELECT Unsafe Login")

    login = say("{tag} OK in" if is_announced_again else "{tag} OK [CAPABILITY IMAP4rev1] in")
    options = ImapOptions(capabilities="IMAP4rev1 ID", faults={"SELECT": select, "LOGIN": login})
    async with ScriptedImap(options) as server:
        assert await make_caller(server.port).search() == []


@pytest.mark.parametrize(
    "text",
    [
        "BAD User is authenticated but not connected.",
        "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds",
        "BAD Server Unavailable. 15",
        "NO [OVERQUOTA] Account exceeded command or bandwidth limits. 42mb1",
        "NO [OVERQUOTA] too much today",
        "NO [THROTTLED] slowly",
        "NO Temporary System Error (Failure)",
        "NO [ALERT] Too many simultaneous connections. (Failure)",
    ],
)
@pytest.mark.parametrize("verb", ["SELECT", "UID FETCH"])
async def test_what_passes_is_told_as_such(make_caller: MakeCaller, verb: str, text: str) -> None:
    async with ScriptedImap(ImapOptions(faults={verb: answer(text)})) as server:
        with pytest.raises(ServerUnavailable):
            await make_caller(server.port).list_emails()


@pytest.mark.parametrize(
    "text",
    ["NO [NONEXISTENT] Mailbox does not exist: Server error, locked", "NO Mailbox does not exist: Temporary"],
)
async def test_the_name_of_a_missing_folder_says_nothing_about_the_server(
    make_caller: MakeCaller, text: str
) -> None:
    async with ScriptedImap(ImapOptions(faults={"SELECT": answer(text)})) as server:
        with pytest.raises(FolderNotFound):
            await make_caller(server.port).list_emails(folder="Temporary")


async def test_a_copy_that_has_no_room_is_told_as_such(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(faults={"APPEND": answer("NO [OVERQUOTA] full")})) as server:
        with pytest.raises(QuotaExceeded):
            await make_caller(server.port).append(
                "INBOX", **{"from": "a@x", "to": "b@x", "subject": "s", "body": "c"}
            )


async def test_a_wrong_password_is_not_tried_again_whatever_else_the_text_says(
    make_caller: MakeCaller,
) -> None:
    text = "NO [AUTHENTICATIONFAILED] Too many sessions or a temporary problem: server error"
    async with ScriptedImap(ImapOptions(faults={"LOGIN": answer(text)})) as server:
        with pytest.raises(AuthenticationFailed):
            await make_caller(server.port).list_emails()


async def test_a_second_bracket_in_the_greeting_hides_nothing(make_caller: MakeCaller) -> None:
    greeting = "* OK [CAPABILITY IMAP4REV1 STARTTLS LOGINDISABLED] [192.0.2.1] IMAP4rev1 2007e.404 ready"
    options = ImapOptions(greeting=greeting, capabilities="IMAP4REV1 STARTTLS LOGINDISABLED")
    async with ScriptedImap(options) as server:
        with pytest.raises(AuthenticationFailed):
            await make_caller(server.port).list_emails()
    assert not {"LOGIN", "AUTHENTICATE"} & set(server.verbs)


@pytest.mark.parametrize("greeting", ["+OK POP3 ready", "220 SMTP ready", "* NO busy"])
async def test_a_greeting_that_is_none_of_imap_is_shown(make_caller: MakeCaller, greeting: str) -> None:
    async with ScriptedImap(ImapOptions(greeting=greeting)) as server:
        with pytest.raises(ProtocolViolation) as failure:
            await make_caller(server.port).list_emails()
    assert greeting in failure.value.message


async def say_in_lower_case(dialogue: Dialogue) -> None:
    tag = dialogue.commands[-1].split(" ")[0]
    await dialogue.say(f"* 3 exists\r\n* ok [uidvalidity 7] yes\r\n{tag.lower()} ok [read-write] done")


@pytest.mark.parametrize(
    "select",
    [
        say("* 3 EXISTS", "* OK [UIDVALIDITY 7]", "{tag} OK"),
        say_in_lower_case,
        say("*  3 EXISTS", "*  OK [UIDVALIDITY  7 ] ok", "{tag}  OK  [READ-WRITE] done"),
        say("", "* 3 EXISTS", "", "* OK [UIDVALIDITY 7] ok", "", "{tag} OK done"),
        lambda dialogue: dialogue.send(
            f"* 3 EXISTS\n{dialogue.commands[-1].split(' ')[0]} OK done\n".encode()
        ),
    ],
)
async def test_letter_case_blanks_and_line_ends_do_not_matter(make_caller: MakeCaller, select: Step) -> None:
    async with ScriptedImap(ImapOptions(faults={"SELECT": select})) as server:
        assert sorted(subjects(await make_caller(server.port).list_emails())) == ALL


async def test_a_blank_line_behind_a_literal_does_not_matter(make_caller: MakeCaller) -> None:
    fetch = say("* 1 FETCH (UID 1 BODY[HEADER] {18}\r\nSubject: Message 1", ")", "{tag} OK done")
    listed = say('* LIST () "/" {5}\r\nINBOX', '* LIST () "/" {4}\r\nDone', "{tag} OK done")
    async with ScriptedImap(ImapOptions(faults={"UID FETCH": fetch, "LIST": listed})) as server:
        caller = make_caller(server.port)
        assert subjects(await caller.list_emails()) == ["Message 1"]
        assert subjects(await caller.list_emails(folder="Done")) == ["Message 1"]


@pytest.mark.parametrize(
    "row", [ROW.replace(" UID", "  UID  ").replace("] ", "]  "), ROW.replace("* ", "*\t")]
)
async def test_more_blanks_in_a_fetch_do_not_matter(make_caller: MakeCaller, row: str) -> None:
    fetch = say(*(row.replace("{n}", str(number)) for number in (1, 2, 3)), "{tag} OK done")
    async with ScriptedImap(ImapOptions(faults={"UID FETCH": fetch})) as server:
        assert sorted(subjects(await make_caller(server.port).list_emails())) == ALL


async def test_a_message_without_a_uid_is_an_error_and_not_left_out(make_caller: MakeCaller) -> None:
    fetch = say(ROW.replace("UID {n} ", "").replace("{n}", "1"), "{tag} OK done")
    async with ScriptedImap(ImapOptions(faults={"UID FETCH": fetch})) as server:
        with pytest.raises(ProtocolViolation, match="UID"):
            await make_caller(server.port).list_emails()


async def test_a_message_that_a_search_names_twice_is_found_once(make_caller: MakeCaller) -> None:
    faults = {"UID SEARCH": say("* SEARCH 1 1", "{tag} OK done"), "UID FETCH": say(*rows(1), "{tag} OK done")}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        assert subjects(await make_caller(server.port).search()) == ["Message 1"]


@pytest.mark.parametrize("verb", ["CAPABILITY", "LOGIN", "LIST", "SELECT", "UID FETCH"])
async def test_a_line_that_cannot_be_read_is_shown(make_caller: MakeCaller, verb: str) -> None:
    fault = say("* 1 FETCH (UID 1 BODY[] {1}\r\nx)", " RFC822.SIZE 99)", "{tag} OK done")
    async with ScriptedImap(ImapOptions(faults={verb: fault})) as server:
        with pytest.raises(ProtocolViolation, match=r"RFC822\.SIZE 99") as caught:
            await make_caller(server.port).list_emails()
    assert "check host and port" not in caught.value.message


async def test_uidvalidities_and_uids_of_more_than_32_bits_are_taken(make_caller: MakeCaller) -> None:
    uid = 17_136_320_025
    faults = {
        "SELECT": say("* 1 EXISTS", "* OK [UIDVALIDITY 1713632002544] ok", "{tag} OK done"),
        "UID FETCH": say(f"* 1 FETCH (UID {uid} BODY[] {{1}}\r\nx)", "{tag} OK done"),
        "UID SEARCH": say(f"* SEARCH {uid}", "{tag} OK done"),
    }
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        caller = make_caller(server.port)
        (mail,) = await caller.list_emails()
        assert mail["messageId"] == f"imap:1713632002544.{uid}"
        assert (await caller.read(mail["messageId"]))["plainTextBody"] == "x"
        assert [found["messageId"] for found in await caller.search()] == [mail["messageId"]]


@pytest.mark.parametrize(
    ("raw", "path"),
    [("&BBAEMQQyACYEMwQ0BDU-", "Абв&где"), ("R&D", "R&D"), ("Müller & Söhne", "Müller & Söhne")],
)
async def test_a_folder_name_goes_back_as_the_server_has_written_it(
    make_caller: MakeCaller, raw: str, path: str
) -> None:
    async with ScriptedImap(
        ImapOptions(faults={"LIST": say(f'* LIST () "/" "{raw}"', "{tag} OK done")})
    ) as server:
        await make_caller(server.port).list_emails(folder=path)
    assert any(command.endswith(f'SELECT "{raw}"') for command in server.commands)


async def test_a_fetch_that_ends_with_no_gives_what_exists(make_caller: MakeCaller) -> None:
    async def search(dialogue: Dialogue) -> None:
        is_first = "UID 1" not in dialogue.commands[-1]
        await dialogue.say(f"* SEARCH 1 2{' 3' if is_first else ''}\r\n{{tag}} OK done")

    faults = {"UID FETCH": say(*rows(1, 2), "{tag} NO some are gone"), "UID SEARCH": search}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        caller = make_caller(server.port)
        assert subjects(await caller.search()) == ALL[:2]
        assert sorted(subjects(await caller.list_emails())) == ALL[:2]


async def test_a_fetch_that_is_refused_for_what_exists_is_an_error(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID FETCH": say(*rows(1), "{tag} NO not these")})) as server:
        with pytest.raises(ServerRefused, match="not these"):
            await make_caller(server.port).list_emails()


YAHOO = {
    "UID SEARCH": when("HEADER", answer("NO [SERVERBUG] UID SEARCH Server error - Please try again later"))
}


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 UIDPLUS", "IMAP4rev1"])
async def test_where_headers_are_not_searched_the_ids_of_the_newest_messages_are_looked_at(
    make_caller: MakeCaller, capabilities: str
) -> None:
    options = ImapOptions(capabilities=capabilities, message_count=10, faults=YAHOO)
    async with ScriptedImap(options) as server:
        caller = make_caller(server.port)
        assert (await caller.read("7@scripted.example.org"))["subject"] == "Message 7"
        assert await caller.move("7@scripted.example.org", "Target")
        assert await caller.delete("9@scripted.example.org")
        with pytest.raises(MessageNotFound):
            await caller.read("11@scripted.example.org")


async def test_flags_of_others_are_set_again_after_the_connection_was_lost(make_caller: MakeCaller) -> None:
    others = when("DELETED", say("* SEARCH 2 3", "{tag} OK done"))
    faults = {"UID SEARCH": others, "EXPUNGE": close()}
    options = ImapOptions(capabilities="IMAP4rev1", faults=faults, fault_sessions=1)
    async with ScriptedImap(options) as server:
        caller = make_caller(server.port)
        with pytest.raises(ConnectionFailed):
            await caller.delete(FIRST)
        await caller.delete(FIRST)
    stores = [command.split(" ", 3)[3] for command in server.commands if "UID STORE" in command]
    set_again = r"2:3 +FLAGS.SILENT (\Deleted)"
    assert stores == [r"1 +FLAGS.SILENT (\Deleted)", r"2:3 -FLAGS.SILENT (\Deleted)", set_again, stores[0]]


async def test_an_id_that_is_none_of_the_newest_is_not_said_to_be_missing(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(message_count=6000, faults=YAHOO)) as server:
        caller = make_caller(server.port)
        assert (await caller.read("1001@scripted.example.org"))["subject"] == "Message 1001"
        with pytest.raises(ServerRefused, match="newest 5000 messages"):
            await caller.read("1000@scripted.example.org")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (("* 1 FETCH (UID 1 BODY[] NIL)", "{tag} OK nothing for you"), "nothing for you"),
        (('* 1 FETCH (UID 1 BODY[] "")', "{tag} OK done"), "done"),
        (("* 1 FETCH (UID 1 FLAGS ())", "{tag} OK done"), "done"),
        (("{tag} OK here you are",), "here you are"),
        (("{tag} NO cannot decrypt",), "cannot decrypt"),
    ],
)
async def test_a_message_without_its_content_is_not_a_missing_one(
    make_caller: MakeCaller, reply: tuple[str, ...], reason: str
) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID FETCH": when("BODY.PEEK[])", say(*reply))})) as server:
        with pytest.raises(ServerRefused, match=reason):
            await make_caller(server.port).read(FIRST)


async def test_an_id_in_encoded_words_is_found_by_what_it_stands_for(make_caller: MakeCaller) -> None:
    header = "Message-ID: =?utf-8?q?=3Clong=40example?=\r\n =?utf-8?q?=2Eorg=3E?=\r\nSubject: Encoded\r\n\r\n"
    found = f"* 2 FETCH (UID 2 RFC822.SIZE {len(header)} BODY[] {{{len(header)}}}\r\n{header})"
    faults = {
        "UID SEARCH": when("=?", say("* SEARCH 2", "{tag} OK done")),
        "UID FETCH": say(found, "{tag} OK done"),
    }
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        caller = make_caller(server.port)
        assert (await caller.read("<long@example.org>"))["subject"] == "Encoded"
        assert await caller.delete("long@example.org")
        with pytest.raises(MessageNotFound):
            await caller.read("<other@example.org>")


@pytest.mark.parametrize("text", ["NO LIST failed", "BAD unknown command", "NO [UNAVAILABLE] later"])
async def test_a_refused_list_leaves_an_inbox(make_caller: MakeCaller, text: str) -> None:
    async with ScriptedImap(ImapOptions(faults={"LIST": answer(text)})) as server:
        assert sorted(subjects(await make_caller(server.port).list_emails())) == ALL


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 SPECIAL-USE", "IMAP4rev1 SPECIAL-USE LIST-STATUS"])
async def test_where_list_takes_no_return_options_it_is_asked_without(
    make_caller: MakeCaller, capabilities: str
) -> None:
    async def list_plainly(dialogue: Dialogue) -> None:
        if "RETURN" in dialogue.commands[-1]:
            await dialogue.say("{tag} BAD [CLIENTBUG] syntax: unexpected char")
        else:
            await say('* LIST (\\Sent) "/" Out', "{tag} OK done")(dialogue)

    faults = {"LIST": list_plainly, "STATUS": say("* STATUS Out (MESSAGES 3 UNSEEN 1)", "{tag} OK done")}
    async with ScriptedImap(ImapOptions(capabilities=capabilities, faults=faults)) as server:
        (folder,) = await make_caller(server.port).folders()
    assert (folder["name"], folder["messages"], folder["specialUse"]) == ("Out", 3, "\\Sent")


async def test_where_folders_cannot_be_listed_now_none_is_made_under_a_wrong_name(
    make_caller: MakeCaller,
) -> None:
    async with ScriptedImap(ImapOptions(faults={"LIST": answer("NO [UNAVAILABLE] later")})) as server:
        with pytest.raises(ServerUnavailable):
            await make_caller(server.port).move(FIRST, "Projects/2026")
    assert "CREATE" not in server.verbs


@pytest.mark.parametrize(
    "fault",
    [
        answer("BAD Syntax error in FETCH items"),
        answer("NO no parts"),
        say(*(row.rpartition(" BODY")[0] + ' BODY[HEADER]<0> "")' for row in rows(1, 2, 3)), "{tag} OK done"),
        say(*(row.rpartition(" BODY")[0] + ")" for row in rows(1, 2, 3)), "{tag} OK done"),
        answer("OK done"),
    ],
)
async def test_where_no_part_of_a_section_is_given_the_whole_is_asked_for(
    make_caller: MakeCaller, fault: Step
) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID FETCH": when("<0.", fault)})) as server:
        caller = make_caller(server.port)
        assert sorted(subjects(await caller.list_emails())) == ALL
        assert (await caller.read(FIRST))["subject"] == "Message 1"
        assert await caller.delete(FIRST)
    assert sum("<0." in command for command in server.commands) == 1


EXCHANGE = "NO [BADCHARSET (US-ASCII)] The specified charset is not supported."


async def search_as_exchange(dialogue: Dialogue) -> None:
    command = dialogue.commands[-1]
    if "CHARSET" in command:
        await dialogue.say(f"{{tag}} {EXCHANGE}")
        return
    hits = "1 2" if "FROM" in command else "1 2 3"
    await dialogue.say(f"* SEARCH {hits}\r\n{{tag}} OK done")


async def fetch_with_umlauts(dialogue: Dialogue) -> None:
    first, _, last = dialogue.commands[-1].split(" ")[3].partition(":")
    for uid in range(int(first), int(last or first) + 1):
        raw = f"From: Jörg <j@x>\r\nSubject: Über {uid}\r\n\r\nStraße {uid}\r\n".encode()
        await dialogue.send(
            b"* %d FETCH (UID %d RFC822.SIZE 9 BODY[] {%d}\r\n%b)\r\n" % (uid, uid, len(raw), raw)
        )
    await dialogue.say("{tag} OK done")


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({"field": "SUBJECT", "value": "über 2"}, ["Über 2"]),
        ({"field": "FROM", "value": "JÖRG"}, ["Über 1", "Über 2", "Über 3"]),
        ({"field": "BODY", "value": "straße 3"}, ["Über 3"]),
        ({"field": "SUBJECT", "value": "日本"}, []),
    ],
)
async def test_a_text_that_the_server_cannot_search_for_is_looked_for_here(
    make_caller: MakeCaller, criteria: dict[str, Any], found: list[str]
) -> None:
    faults = {"UID SEARCH": search_as_exchange, "UID FETCH": fetch_with_umlauts}
    async with ScriptedImap(ImapOptions(faults=faults)) as server:
        assert subjects(await make_caller(server.port).search(criteria)) == found


async def test_the_server_searches_for_what_is_ascii_and_the_worker_in_so_many_messages_only(
    make_caller: MakeCaller,
) -> None:
    subject, sender = {"field": "SUBJECT", "value": "ü"}, {"field": "FROM", "value": "j@x"}
    faults = {"UID SEARCH": when("CHARSET", answer(EXCHANGE))}
    async with ScriptedImap(ImapOptions(message_count=6000, faults=faults)) as server:
        caller = make_caller(server.port)
        for criteria in (subject, {"operator": "OR", "criteria": [subject, sender]}):
            with pytest.raises(NotSupported, match="6000 messages are more than the 5000"):
                await caller.search(criteria)
        assert await caller.search({"operator": "AND", "criteria": [subject, sender]}) == []
    assert 'FROM "j@x"' in [command for command in server.commands if "UID SEARCH" in command][-1]


async def test_news_of_others_in_the_middle_of_a_fetch_does_not_matter(make_caller: MakeCaller) -> None:
    one, *others = rows(1, 2, 3)
    news = ("* 1 EXPUNGE", "* 1 FETCH (FLAGS (\\Seen) UID 2)", "* 2 RECENT")
    async with ScriptedImap(
        ImapOptions(faults={"UID FETCH": say(one, *news, *others, "{tag} OK done")})
    ) as server:
        assert sorted(subjects(await make_caller(server.port).list_emails())) == ALL


async def test_a_search_that_is_refused_altogether_is_an_error(make_caller: MakeCaller) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID SEARCH": answer("NO [SERVERBUG] no")})) as server:
        with pytest.raises(ServerUnavailable):
            await make_caller(server.port).read(FIRST)


async def test_a_server_of_imap4rev2_alone_is_used_in_its_own_words(make_caller: MakeCaller) -> None:
    found = say('* ESEARCH (TAG "x") UID ALL 1:2', "{tag} OK done")
    options = ImapOptions(capabilities="IMAP4rev2 AUTH=PLAIN", faults={"UID SEARCH": found})
    async with ScriptedImap(options) as server:
        caller = make_caller(server.port)
        assert subjects(await caller.search()) == ALL[:2]
        assert await caller.move(FIRST, "Größe")
    assert next(name for name in server.commands if "CREATE" in name).endswith('CREATE "Größe"')


@pytest.mark.parametrize("text", ["NO no messages", "BAD The specified message set is invalid."])
async def test_a_server_that_refuses_to_search_nothing_has_nothing(
    make_caller: MakeCaller, text: str
) -> None:
    async with ScriptedImap(ImapOptions(message_count=0, faults={"UID SEARCH": answer(text)})) as server:
        caller = make_caller(server.port)
        assert await caller.search() == []
        with pytest.raises(MessageNotFound):
            await caller.read(FIRST)


async def test_a_search_of_nothing_that_is_refused_for_now_is_told_as_such(make_caller: MakeCaller) -> None:
    refused = answer("NO [UNAVAILABLE] later")
    async with ScriptedImap(ImapOptions(message_count=0, faults={"UID SEARCH": refused})) as server:
        with pytest.raises(ServerUnavailable):
            await make_caller(server.port).search()


@pytest.mark.parametrize(
    "text", ["Over quota", "Quota exceeded (mailbox for u is full)", "Exceeds the quota", "Mailbox is full."]
)
async def test_a_mailbox_that_is_full_in_words_alone_is_told_as_such(
    make_caller: MakeCaller, text: str
) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID MOVE": answer(f"NO {text}")})) as server:
        with pytest.raises(QuotaExceeded, match="is full: it refused to move"):
            await make_caller(server.port).move(FIRST, "Target")


@pytest.mark.parametrize("path", ["INBOX/Sub", "Inbox.Sub", "inbox/Sub"])
@pytest.mark.parametrize("delimiter", ["/", ".", "\\\\"])
async def test_a_folder_below_an_inbox_in_other_letter_case_is_found(
    make_caller: MakeCaller, path: str, delimiter: str
) -> None:
    name = f"Inbox{delimiter}Sub"
    folders = [f'* LIST () "{delimiter}" Inbox', f'* LIST () "{delimiter}" "{name}"']
    async with ScriptedImap(ImapOptions(faults={"LIST": say(*folders, "{tag} OK done")})) as server:
        assert sorted(subjects(await make_caller(server.port).list_emails(folder=path))) == ALL
    assert any(command.endswith(f'SELECT "{name}"') for command in server.commands)
