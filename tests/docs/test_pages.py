"""What the pages of the operations say beside their examples is what the code does."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from testkit.pages import ROOT

from worker import errors
from worker.mail.account import Encryption, MailProtocol, account_of
from worker.models.authentication import OptionalAuthentication
from worker.models.base import CryptographicProtocol, Server
from worker.operations.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.operations.catalogue import Operation

OPERATIONS = ROOT / "docs" / "operations"
INDEX = (OPERATIONS / "index.md").read_text("utf-8")
ENCRYPTION = {
    "STARTTLS": Encryption.STARTTLS,
    "TLS from the first byte": Encryption.IMPLICIT,
    "clear text": Encryption.NONE,
}
each_operation = pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.task_type)


def page_of(operation: Operation) -> str:
    name = operation.task_type.removeprefix("email.").replace(".", "-")
    return (OPERATIONS / f"{name}.md").read_text("utf-8")


def section(page: str, heading: str) -> str:
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def first_column(text: str) -> list[str]:
    """The names in the first column of the tables in a text."""
    return re.findall(r"^\| \[?`([^`]+)`", text, re.MULTILINE)


def codes(base: type[errors.EmailError] = errors.EmailError) -> Iterator[str]:
    for kind in base.__subclasses__():
        if "code" in vars(kind):
            yield kind.code
        yield from codes(kind)


@each_operation
def test_the_result_table_has_the_fields_of_the_result(operation: Operation) -> None:
    names = [field.alias or name for name, field in operation.result.model_fields.items()]
    assert first_column(section(page_of(operation), "Result")) == names


@each_operation
def test_the_errors_of_a_page_exist_and_are_not_those_of_every_operation(operation: Operation) -> None:
    own = first_column(section(page_of(operation), "Errors"))
    assert set(own) <= set(codes())
    overlap = set(own) & set(first_column(section(INDEX, "Errors of every operation")))
    # Where a page says more of one, it is because it means something of its own there.
    assert overlap <= {"RESULT_TOO_LARGE", "SERVER_REFUSED"}


def test_every_error_is_on_a_page() -> None:
    named = {code for operation in CATALOGUE for code in first_column(section(page_of(operation), "Errors"))}
    named |= set(first_column(section(INDEX, "Errors of every operation")))
    assert sorted(set(codes()) - named) == []


def test_the_first_picture_has_every_operation() -> None:
    picture = (ROOT / "docs" / "pictures" / "overview.svg").read_text("utf-8")
    texts = [text for line in re.findall(r"<text[^>]*>([^<]*)</text>", picture) for text in line.split(" · ")]
    shown = texts[texts.index("SMTP") :]
    named = [operation.task_type.split(".")[1:] for operation in CATALOGUE]
    expected = {protocol: sorted(name for of, name in named if of == protocol) for protocol, _ in named}
    bounds = [*(shown.index(protocol.upper()) for protocol in ("smtp", "imap", "pop3")), len(shown)]
    found = [sorted(shown[start + 1 : end]) for start, end in itertools.pairwise(bounds)]
    assert found == [expected["smtp"], expected["imap"], expected["pop3"]]


def test_the_first_table_has_every_operation() -> None:
    table = INDEX.split("\n## ", 1)[0]
    assert sorted(first_column(table)) == sorted(operation.task_type for operation in CATALOGUE)


@pytest.mark.parametrize("protocol", MailProtocol)
def test_the_table_of_ports_is_what_a_server_is_reached_by(protocol: MailProtocol) -> None:
    (table,) = re.findall(r"^\| `cryptographicProtocol` \| SMTP (?:.*\n)+?\n", INDEX, re.MULTILINE)
    header, _, *rows = table.splitlines()
    column = [cell.strip() for cell in header.split("|")].index(protocol.value.upper())
    for row in filter(None, rows):
        cells = [cell.strip() for cell in row.split("|")]
        given = CryptographicProtocol(cells[1].strip("`"))
        for number, way in enumerate(cells[column].split("; ")):
            said, _, port = way.rpartition(" at ")
            # The first is what is taken where no port is given.
            assert reached(protocol, given, None if number == 0 else int(port)) == (
                ENCRYPTION[said],
                int(port),
            )


def reached(
    protocol: MailProtocol, cryptographic_protocol: CryptographicProtocol, port: int | None
) -> tuple[Encryption, int]:
    server = Server(host="mail.example.com", port=port, cryptographicProtocol=cryptographic_protocol)
    account = account_of(protocol, server, OptionalAuthentication.model_validate({"type": "noAuth"}))
    return account.encryption, account.port
