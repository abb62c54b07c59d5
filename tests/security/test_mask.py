"""No secret comes out: not by guessing, not in another form, not in the texts of another job."""

from __future__ import annotations

import base64
import html
import json
import quopri
import unicodedata
from collections.abc import AsyncIterator, Callable
from string import ascii_lowercase
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from testkit.scripted_imap import ImapOptions, ScriptedImap
from testkit.scripted_pop3 import Pop3Options, ScriptedPop3
from testkit.scripted_server import ScriptedServer, say
from testkit.scripted_smtp import ScriptedSmtp, SmtpStep

from worker.app import EmailWorker
from worker.errors import EmailError
from worker.masking import Mask
from worker.secret_store import SecretStore
from worker.settings import Settings

SECRET = "xK9vQ2rT7mZp4w-LongRandom"
ODD = 'pä"ss/w<o>rd & 42?\\+Kö'
LETTER = {"from": "a@example.org", "to": "b@example.org", "subject": "s", "body": "b"}
MARKS = ["…", "...", "***", "*", "\u200b", "]", '"', "…***", "\t", "=", "%", "\\"]


@pytest.fixture
async def worker() -> AsyncIterator[EmailWorker]:
    """A worker with one secret that has been used, and that may reach this machine alone."""
    secrets = SecretStore(
        {"SECRET_PASSWORD": SECRET, "SECRET_PIN": "04711"}, prefix="SECRET_", directory=None
    )
    secrets.resolve("{{secrets.PASSWORD}}")
    settings = Settings.from_environment({"EMAIL_WORKER_ALLOWED_SERVERS": "127.0.0.1"})
    async with EmailWorker(settings, secrets) as opened:
        yield opened


def variables(port: int = 1, *, password: str = "{{secrets.PASSWORD}}", **parameters: Any) -> dict[str, Any]:
    return {
        "authentication": {"username": "alice", "password": password},
        "server": {"host": ScriptedServer.host, "port": port, "cryptographicProtocol": "NONE"},
        "parameters": parameters,
    }


async def error_of(worker: EmailWorker, task_type: str, given: dict[str, Any]) -> str:
    with pytest.raises(EmailError) as caught:
        await worker.call(task_type, given)
    return json.dumps([caught.value.code, caught.value.message, caught.value.details], ensure_ascii=False)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("field", ["contentType", "to", "subjekt", "headers"])
async def test_an_error_does_not_tell_a_right_guess_of_a_beginning_from_a_wrong_one(
    worker: EmailWorker, field: str, mark: str
) -> None:
    told = []
    for guess in (SECRET[:6], SECRET[:5] + "#", SECRET[:24], SECRET[:23] + "#"):
        value: Any = {guess + mark: guess + mark} if field == "headers" else guess + mark
        text = await error_of(worker, "email.smtp.send", variables(**{**LETTER, field: value}))
        told.append(text.replace(guess, "GUESS"))
    assert told[0] == told[1]
    assert told[2] == told[3]


@pytest.mark.parametrize("word", ["info", "INBOX", "127.0.0.1", "<4712@example.org>", "No such", "message"])
async def test_a_password_of_one_job_is_hidden_in_the_texts_of_no_other_job(
    worker: EmailWorker, word: str
) -> None:
    async with ScriptedImap(ImapOptions(faults={"UID SEARCH": say("* SEARCH", "{tag} OK done")})) as server:
        other = variables(server.port, password="another", messageId="<4712@example.org>")
        before = await error_of(worker, "email.imap.read", other)
        await worker.call("email.imap.list", variables(server.port, password=word))
        assert await error_of(worker, "email.imap.read", other) == before


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def forms_of(secret: str) -> dict[str, str]:
    """How a server or a library may show a secret."""
    return {
        "as it is": secret,
        "in capital letters": secret.translate({ord(letter): letter.upper() for letter in ascii_lowercase}),
        "in small letters": secret.lower(),
        "in base64": encoded(f"\0alice\0{secret}"),
        "in base64 for URLs": base64.urlsafe_b64encode(f"??>alice:{secret}".encode()).decode(),
        "in base64 in a URL": quote(encoded(f"alice:{secret}"), safe=""),
        "in JSON": json.dumps(secret)[1:-1],
        "in JSON, beyond ASCII": json.dumps(secret, ensure_ascii=False)[1:-1],
        "in JSON, with slashes escaped": json.dumps(secret, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        "in JSON, in capital digits": json.dumps(secret)[1:-1].replace("\\u00e4", "\\u00E4"),
        "in a URL": quote(secret, safe=""),
        "in a path of a URL": quote(secret),
        "in a form": quote_plus(secret),
        "in a URL, in small digits": quote(secret, safe="").lower(),
        "in a URL, only as far as necessary": quote(secret, safe=";,/?:@&=+$-_.!~*'()#"),
        "in a URL, twice": quote(quote(secret.strip())),
        "in a URL, each octet": "".join(f"%{octet:02x}" for octet in secret.encode()),
        "in base64 in JSON": encoded(f"????>>>>{secret}").replace("/", "\\/"),
        "in JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "in quoted-printable": quopri.encodestring(secret.encode()).decode(),
        "in a header": quopri.encodestring(secret.encode(), header=True).decode(),
        "in HTML": html.escape(secret),
        "in HTML, without quotes": html.escape(secret, quote=False),
        "in HTML, as numbers": "".join(f"&#{ord(each)};" for each in secret.strip()),
        "in XML": html.escape(secret).replace("&#x27;", "&apos;"),
        "in Python, as octets": repr(secret.encode())[2:-1],
        "in Python, in ASCII": ascii(secret)[1:-1],
        "with question marks for what is not ASCII": secret.encode("ascii", "replace").decode(),
        "in Python": repr(secret),
        "with blanks around": f"  {secret}  ",
        "broken by a blank": f"{secret[:7]} {secret[7:]}",
        "in UTF-8, taken for Latin-1": secret.encode().decode("latin-1"),
        "in UTF-8, taken for Windows-1252": secret.encode().decode("cp1252", "replace"),
        "with letters and accents apart": unicodedata.normalize("NFD", secret),
        "without what is not ASCII": secret.encode("ascii", "ignore").decode(),
    }


@pytest.mark.parametrize("secret", [SECRET, ODD, f" {SECRET}\t"])
@pytest.mark.parametrize("form", forms_of(SECRET))
def test_a_secret_is_hidden_in_every_form(form: str, secret: str) -> None:
    mask = Mask()
    mask.learn(secret)
    hidden = mask.hide(f"no: {forms_of(secret)[form]} is wrong")
    assert hidden.startswith("no: ")
    assert hidden.endswith(" is wrong")
    assert len(hidden) < len("no: ***  is wrong") + 8, hidden


SHORT_FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a URL": quote,
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in quoted-printable": lambda secret: quopri.encodestring(secret.encode()).decode(),
    "as numbers of HTML": lambda secret: "".join(f"&#{ord(each)};" for each in secret),
}


@pytest.mark.parametrize("form", SHORT_FORMS)
@pytest.mark.parametrize("secret", ["é", "ünï", "日本", "日本語", "ü b"])
def test_a_short_secret_beyond_ascii_is_hidden_where_it_stands_alone(secret: str, form: str) -> None:
    mask = Mask()
    mask.learn(secret)
    shown = SHORT_FORMS[form](secret)
    assert mask.hide(f"no: {shown} is wrong").replace("*", "") == "no:  is wrong"
    assert mask.hide(f"x{shown}x") == f"x{shown}x"


BROKEN = {
    "over two lines": ("535-{0}", "535 {1}"),
    "over two lines with status": ("535-5.7.8 wrong: {0}", "535 5.7.8 {1}"),
    "with a line break at each end": ("535-", "535-{0}", "535-{1}", "535 "),
}


@pytest.mark.parametrize("lines", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("separator", ["\n", "\r\n", " ", "\n\t"])
def test_a_secret_is_hidden_with_reply_codes_between_its_pieces(
    lines: tuple[str, ...], separator: str
) -> None:
    mask = Mask()
    mask.learn(SECRET)
    hidden = mask.hide(separator.join(lines).format(SECRET[:11], SECRET[11:]))
    assert SECRET[:6] not in hidden
    assert SECRET[-6:] not in hidden


def test_a_reply_code_inside_a_secret_is_part_of_it() -> None:
    mask = Mask()
    mask.learn("my 535 secret")
    for text in ("my 535 secret", "my 535\nsecret", "550-my 535\n550 secret"):
        assert "my" not in mask.hide(text)


@pytest.mark.parametrize("shown", ["{0}", "{0} {1}", "{2}", "is {0}{1}, is it not"])
@pytest.mark.parametrize("password", ["{{secrets.PASSWORD}}", SECRET])
async def test_no_server_gets_the_password_shown_that_it_repeats(
    worker: EmailWorker, password: str, shown: str
) -> None:
    text = shown.format(SECRET[:9], SECRET[9:], encoded(f"\0alice\0{SECRET}"))
    if shown == "{0}":  # over two lines, the whole of it
        reply, text = (f"535-5.7.8 {SECRET[:9]}", f"535 5.7.8 {SECRET[9:]}"), SECRET
    else:
        reply = (f"535 5.7.8 {text}", "")
    told = []
    async with ScriptedSmtp({SmtpStep.AUTH: say(*filter(None, reply))}) as smtp:
        told.append(
            await error_of(worker, "email.smtp.send", variables(smtp.port, password=password, **LETTER))
        )
    imap = ImapOptions(faults={verb: say("{tag} NO " + text) for verb in ("LOGIN", "AUTHENTICATE")})
    async with ScriptedImap(imap) as server:
        told.append(await error_of(worker, "email.imap.list", variables(server.port, password=password)))
    pop3 = Pop3Options(faults={"PASS": say(f"-ERR [AUTH] {text}"), "AUTH": say(f"-ERR [AUTH] {text}")})
    async with ScriptedPop3({}, pop3) as server:
        told.append(await error_of(worker, "email.pop3.list", variables(server.port, password=password)))
    for error in told:
        assert SECRET[:6] not in error
        assert SECRET[-6:] not in error
        assert encoded(SECRET)[:8] not in error


async def test_a_long_answer_that_ends_in_a_secret_is_masked_before_it_is_cut(worker: EmailWorker) -> None:
    for filler in range(150, 210, 3):
        text = "x" * filler + " " + SECRET
        options = Pop3Options(faults={"PASS": say(f"-ERR [AUTH] {text}"), "AUTH": say(f"-ERR [AUTH] {text}")})
        async with ScriptedPop3({}, options) as server:
            assert SECRET[:4] not in await error_of(worker, "email.pop3.list", variables(server.port))


async def test_a_secret_that_the_worker_changes_is_hidden_too(worker: EmailWorker) -> None:
    given = variables()
    for server in (
        {"host": "{{secrets.PASSWORD}}"},
        {"host": "elsewhere.example", "port": "{{secrets.PIN}}"},
    ):
        text = await error_of(worker, "email.imap.list", given | {"server": server})
        assert "4711" not in text
        assert SECRET.lower() not in text.lower()
