"""The names that the documentation mentions are names of the product, and texts use plain words."""

from __future__ import annotations

import re
import tomllib

import pytest
from testkit.pages import PAGES, ROOT
from testkit.prose import sentences

from worker import feel
from worker.cli import app
from worker.settings import settings_fields
from worker.settings.camunda_names import NAMES

INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SETTING = re.compile(r"\b(?:EMAIL_WORKER|ZEEBE|CAMUNDA)_[A-Z0-9_]*[A-Z0-9]\b")
LOG_CALL = re.compile(r"log\.\w+\(\s*(?:[\w.]+, )?\"(\w+)\"")
OURS = {name for name, _, _ in settings_fields()}.union(*NAMES.values())


def inline_code() -> list[str]:
    """Every word or line between single backticks, outside of the fenced blocks."""
    texts = [
        re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for page in PAGES
    ]
    return sorted({code for text in texts for code in INLINE.findall(text)})


INLINE_CODE = inline_code()
EXPRESSIONS = [code for code in INLINE_CODE if re.match(r"=\S", code)]
COMMANDS = [code for code in INLINE_CODE if re.match(r"(email-worker|make) ", code)]


def test_every_setting_that_a_page_names_is_one() -> None:
    named = {name for page in PAGES for name in SETTING.findall(page.read_text("utf-8"))}
    assert sorted(named - OURS) == []


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_in_passing_is_feel(expression: str) -> None:
    assert feel.parse(expression)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_passing_is_one(command: str) -> None:
    program, name, *_ = command.split()
    if program == "make":
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        names = {entry.name or getattr(entry.callback, "__name__", "") for entry in app.registered_commands}
        assert name in names or name.startswith("--")


def test_a_page_installs_only_this_directory_or_an_existing_extra() -> None:
    # That both can be installed is for tests/deploy/test_release.py to show.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    known = {f"'{project['name']}[{extra}]'" for extra in project["optional-dependencies"]} | {"."}
    named = {code.removeprefix("pip install ") for code in INLINE_CODE if code.startswith("pip ")}
    assert named
    assert named <= known


def test_the_lines_of_the_log_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    table = page.split("\n## What the log says\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`\w+`.*?) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "worker").rglob("*.py"))
    assert named == set(LOG_CALL.findall(sources))


# Words and phrases that readers stumble over, each with what to write instead.
PLAIN_WORDS = {
    r"\bmails\b|\bmail\b(?!\.\w)(?! (server|client|provider|account|relay|system|session)s?\b)": "email",
    r"\bmaildrop": "mailbox",
    r"\btask types?\b": "job type",
    r"\blog(s|ged|ging)?[- ]?ins?\b": "sign in, sign-in, authentication",
    r"\bpass(es)? by itself\b": "temporary failure",
    r"\bwill not pass\b|\bfor good\b(?! reason)": "permanent, permanently",
    r"\bbec(o|a)mes? of\b": "what happens to",
    r"\b(told|tells?) again\b": "repeats the report",
    r"\b(hand(s|ed)?|gives?|given|gave)( \w+)? back\b": "return",
    r"\bbeside\b": "in addition to, next to",
    r"\banew\b": "again",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bby turns\b": "alternating",
    r"\bbe had\b": "be fetched, be available",
    r"\blets? go\b": "release",
    r"\bso (do|does|did) (?!not)": "a sentence with its own verb",
    r"\bof (its|their|his|her|your|my|our) own\b": "separate, own",
    r"\bat once\b": "immediately, at the same time",
    r"\bno \w+ but\b|\bbut for\b": "only, except",
    r"\bput(s|ting)? in\b(?! \w+ (folder|mailbox))": "resolve (a secret), insert",
    r"(^|[.;:|] +)Where [^.`]*,": "If …, …",
    r"\bwhatever\b": "any, every",
    r"\bhold(s|ing)?\b|\bheld\b(?! by)": "contain, ensure, lock, keep",
    r"\b(are|is) well\b": "works, is running",
    r"\bunder way\b": "running",
    r"\bin vain\b|\bat hand\b|\bas likely as not\b|\bdone with\b": "a plain verb",
    r"\bwhoever\b|\bnobody's\b": "anyone who, of nobody",
    r"\bis to come\b|\bnot seen to\b": "comes, not confirmed",
    r"\b(gives?|given|giving) out\b|\bhanded over\b": "return, send",
    r"\b(errands?|vitals|ledger)\b": "operation context, liveness, completed work",
    r"\bthat which\b|\bunasked\b|\bin sight\b|\bfor want of\b|\bwherever\b": "a plain clause",
    r"\b(is|are|was|were) away\b|\bsick\b": "is unavailable, does not answer",
    r"\bmakes of\b|\b(has|have) come of\b|\bbrings? along\b": "gives, the result, contains",
    r"\bthere(by|of|in)\b|\bhence\b|\bthus\b|\b(e\.g|i\.e)\.": "so, such as",
    r"\b(do|does|is|are|ca|wo)n't\b": "not, in full",
}
# feel.md compares with Camunda's engine, reliability.md was measured with the embedded one.
USER_WORDS = {
    r"\b([Tt]he|[Aa]n) engine\b|\bengine's\b": "Camunda, the cluster",
    r"\b[Ww]e\b|\bus\b|\b[Oo]urs?\b": "the worker",
}
OF_DEVELOPERS = ("worker/sandbox/", "worker/feel/", "bench/", "docs/feel.md", "docs/reliability.md")


@pytest.mark.parametrize(
    ("page", "end", "lines"), [("README.md", "## Settings", 90), ("docs/performance.md", "", 75)]
)
def test_a_page_for_the_first_minutes_is_short(page: str, end: str, lines: int) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert len((text.partition(f"\n{end}\n")[0] if end else text).splitlines()) <= lines


def test_texts_use_plain_words() -> None:
    found = [
        f"{place}: {match[0].strip()!r}; write: {plainer}"
        for place, text in sentences()
        for pattern, plainer in PLAIN_WORDS.items()
        for match in re.finditer(pattern, text)
    ]
    assert found == [], "\n".join(found)


def test_texts_for_users_speak_of_camunda_and_the_worker() -> None:
    found = [
        f"{place}: {match[0]!r}; write: {plainer}"
        for place, text in sentences()
        if not place.startswith(OF_DEVELOPERS)
        for pattern, plainer in USER_WORDS.items()
        for match in re.finditer(pattern, text)
    ]
    assert found == [], "\n".join(found)
