"""Libraries are used by their public names alone: the tables of docs/architecture.md against worker/."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from testkit.foreign_names import Class, Reader, read_classes

ROOT = Path(__file__).parent.parent.parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "worker").rglob("*.py"))


def module_of(file: str) -> str:
    return file.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")


def table(name: str) -> list[list[list[str]]]:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    inside = text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    rows = [line.strip()[1:-1].split("|") for line in inside.splitlines() if line.startswith("|")]
    return [[re.findall(r"`([^`]+)`", cell) for cell in row] for row in rows[2:]]


DOCUMENTED = {libraries[0]: frozenset(modules) for libraries, modules in table("documented")}
EXCEPTIONS = {
    (name, f"worker/{file}") for names, files, _ in table("private") for name in names for file in files
}


def findings(source: str, others: str = "") -> list[str]:
    classes = read_classes(ast.parse(others), "worker.others") if others else {}
    tree = ast.parse(source)
    classes |= read_classes(tree, "worker.sample")
    return sorted(set(Reader("worker.sample", tree, classes, DOCUMENTED).findings()))


def test_no_private_name_and_no_undocumented_module_of_a_library_is_used_but_for_the_exceptions() -> None:
    """Each exception is still needed."""
    trees = {file: ast.parse((ROOT / file).read_text("utf-8")) for file in FILES}
    classes: dict[str, Class] = {}
    for file, tree in trees.items():
        classes |= read_classes(tree, module_of(file))
    found = {
        (name, file)
        for file, tree in trees.items()
        for name in Reader(module_of(file), tree, classes, DOCUMENTED).findings()
    }
    assert found == EXCEPTIONS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(client): return client._get_line()", "?._get_line"),
        ("import imaplib\nimaplib._Authenticator", "imaplib._Authenticator"),
        ("from imaplib import _Authenticator", "imaplib._Authenticator"),
        ("import imaplib\nimaplib.IMAP4._get_line = print", "imaplib.IMAP4._get_line"),
        ("from aiosmtplib.protocol import SMTPProtocol", "aiosmtplib.protocol"),
        ("import aiosmtplib.protocol", "aiosmtplib.protocol"),
        ("from aiosmtplib import protocol", "aiosmtplib.protocol"),
        ("import aiosmtplib\naiosmtplib.protocol.SMTPProtocol", "aiosmtplib.protocol"),
        (
            "from pyzeebe.grpc_internals.zeebe_adapter import ZeebeAdapter",
            "pyzeebe.grpc_internals.zeebe_adapter",
        ),
        ("import _socket", "_socket"),
        ("import sre_parse", "sre_parse"),
        ("from email import _policybase", "email._policybase"),
        ("import somewhere_else", "somewhere_else"),
        ("def f(pop): return getattr(pop, '_sock')", "?._sock"),
        ("from operator import attrgetter\nf = attrgetter('sock._sock')", "?._sock"),
        ("class A:\n def f(self): return self._client._sock", "?._sock"),
        ("class A:\n _sock = 1\n def f(self, other): return other._sock", "?._sock"),
        ("class A:\n def f(self): return super()._sock", "?._sock"),
    ],
)
def test_a_private_name_and_an_undocumented_module_are_found(source: str, found: str) -> None:
    assert found in findings(source)


@pytest.mark.parametrize(
    "body",
    [
        "def _foo(self): pass",
        "def _get_line(self): pass",
        "_get_line = None",
        "def read(self): return self._get_line()",
        "def read(self): return super()._get_line()",
        "def open(self): self._tls_established = True",
    ],
)
@pytest.mark.parametrize(
    ("begin", "others"),
    [
        ("import imaplib\nclass X(imaplib.IMAP4):", ""),
        ("from imaplib import IMAP4_SSL as Secure\nclass X(Secure):", ""),
        ("from worker.others import Y\nclass X(Y):", "import imaplib\nclass Y(imaplib.IMAP4): pass"),
    ],
)
def test_a_private_name_in_a_class_of_a_library_is_found(begin: str, others: str, body: str) -> None:
    assert findings(f"{begin}\n {body}", others)


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nclass A(asyncio.Protocol):\n def _reply(self): return self._line",
        "import imaplib\nclass A(imaplib.IMAP4):\n def read(self): return self.readline()",
        "import imaplib\nclass A(imaplib.IMAP4):\n def __init__(self): self._octets_left = 5",
        "class A:\n def __eq__(self, other: A): return self._key == other._key",
        "class A:\n @classmethod\n def make(cls):\n  made = cls()\n  return made._begin()",
        "from pydantic import BaseModel\nclass A(BaseModel):\n def _check(self): pass",
        "from worker.feel.run import _new_uuid",
        "import concurrent.futures, urllib.parse\nurllib.parse.quote('')",
        "for _ in (): pass",
    ],
)
def test_names_of_the_worker_and_public_ones_are_none(source: str) -> None:
    assert findings(source) == []
