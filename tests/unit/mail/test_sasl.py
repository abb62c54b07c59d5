"""How a token is shown, and what a mail server's explanation of a refusal means."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from worker.errors import NotSupported
from worker.mail.account import Account, MailProtocol, account_of
from worker.mail.sasl import choose_mechanism, token_refusal, token_response
from worker.models.authentication import Authentication
from worker.models.base import Server


def account(username: str = "ann@example.org", host: str = "mail.example.org") -> Account:
    given = {"type": "bearer", "username": username, "token": "t0ken"}
    server = Server.model_validate({"host": host, "port": 993})
    return account_of(MailProtocol.IMAP, server, Authentication.model_validate(given))


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["PLAIN", "XOAUTH2", "OAUTHBEARER"], "OAUTHBEARER"),
        (["plain", "xoauth2"], "XOAUTH2"),
        (["OAUTHBEARER"], "OAUTHBEARER"),
    ],
)
def test_the_standard_is_used_where_it_is_offered(offered: list[str], chosen: str) -> None:
    assert choose_mechanism(account(), offered) == chosen


def test_a_server_without_either_is_named_with_what_it_offers() -> None:
    with pytest.raises(NotSupported, match=r"mail\.example\.org:993 takes no access token.*PLAIN, LOGIN"):
        choose_mechanism(account(), ["PLAIN", "LOGIN", "PLAIN"])


def test_a_token_is_shown_as_the_standards_say() -> None:
    assert token_response("XOAUTH2", account()) == b"user=ann@example.org\x01auth=Bearer t0ken\x01\x01"
    assert token_response("OAUTHBEARER", account()) == (
        b"n,a=ann@example.org,\x01host=mail.example.org\x01port=993\x01auth=Bearer t0ken\x01\x01"
    )


def test_a_user_name_with_separators_stays_one_name() -> None:
    assert b"n,a=a=2Cb=3Dc," in token_response("OAUTHBEARER", account("a,b=c"))


def refusal(challenge: bytes) -> str:
    return token_refusal("mail.example.org:993", "AUTHENTICATE failed.", challenge).message


def encoded(said: Any) -> bytes:
    return base64.b64encode(json.dumps(said).encode())


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ({"status": "invalid_token"}, "expired or was revoked"),
        ({"status": "401", "schemes": "Bearer", "scope": "imap"}, "the server wants the scope imap"),
        (
            {"status": "insufficient_scope", "scope": "imap smtp"},
            "lacks a scope (the server wants the scope imap smtp)",
        ),
        ({"status": "insufficient_scope"}, "lacks a scope"),
        ({"status": "400", "schemes": "Bearer"}, "has no right to the mailbox"),
        ({"status": 403}, "lacks a scope"),
        ({"status": "unheard_of"}, "check that the token is for this server"),
        (["no", "object"], "check that the token is for this server"),
    ],
)
def test_the_explanation_of_a_refusal_is_told_in_the_workers_words(said: Any, meaning: str) -> None:
    text = refusal(encoded(said))
    assert text.startswith("mail.example.org:993 refused the access token (AUTHENTICATE failed); ")
    assert meaning in text


@pytest.mark.parametrize(
    "challenge", [b"", b"!", b"bm8gSlNPTg==", b"/w==", b"[" * 100_000, b'{"status": "401"}']
)
def test_an_explanation_that_cannot_be_read_does_not_matter(challenge: bytes) -> None:
    assert "refused the access token" in refusal(challenge)


def test_an_explanation_without_padding_is_read() -> None:
    for status in ("400", "0400", "00400"):
        assert refusal(encoded({"status": status}).rstrip(b"=")) == refusal(encoded({"status": status}))


def test_a_hostile_explanation_is_cut_and_stays_on_one_line() -> None:
    text = refusal(encoded({"status": "401", "scope": "x\r\n" * 10_000}))
    assert len(text) < 600
    assert "\n" not in text
