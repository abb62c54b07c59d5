from __future__ import annotations

import pytest

from worker.documents.urls import UrlPattern, UrlPolicy
from worker.errors import UrlNotAllowed


def is_allowed(url: str, *patterns: str) -> bool:
    try:
        UrlPolicy(tuple(UrlPattern.parse(pattern) for pattern in patterns)).admit(url)
    except UrlNotAllowed:
        return False
    return True


def test_no_url_is_allowed_unless_the_operator_says_so() -> None:
    assert not is_allowed("https://files.example.com/a.pdf")


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://files.example.com", "https://files.example.com/a/b.pdf?version=2"),
        ("https://files.example.com/invoices/*", "https://FILES.example.com:443/invoices/2024/a.pdf"),
        ("https://*.example.com/*", "https://eu.files.example.com/a"),
        ("http://127.0.0.1:8080/*", "http://127.0.0.1:8080/a"),
        ("https://files.example.com/*", "https://files.example.com"),
        ("https://Files.example.com./*", "https://files.example.com/a"),
        ("https://files.example.com/*", "https://files.example.com./a"),
        ("https://münchen.example/*", "https://MÜNCHEN.example/a"),
        ("https://*.münchen.example/*", "https://a.xn--mnchen-3ya.example/a"),
        ("http://127.0.0.1/*", "http://127.1/a"),
        ("https://files.example.com/für uns/*", "https://files.example.com/f%C3%BCr%20uns/a"),
        ("https://files.example.com/~jane/*", "https://files.example.com/%7Ejane/a"),
    ],
)
def test_a_url_that_a_pattern_covers_is_allowed(pattern: str, url: str) -> None:
    assert is_allowed(url, "https://other.example.com", pattern)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://files.example.com", "http://files.example.com/a"),
        ("https://files.example.com", "https://files.example.com:8443/a"),
        ("https://files.example.com", "https://files.example.com.evil.test/a"),
        ("https://files.example.com", "https://files.example.com@evil.test/a"),
        ("https://files.example.com", "https://evil.test#files.example.com/"),
        ("https://files.example.com", "https://evil.test\\@files.example.com/a"),
        ("https://*.example.com", "https://evil.test/.example.com"),
        ("https://*.example.com", "https://evil.test?.example.com"),
        ("https://*.example.com/*", "https://user:word@a.example.com/a"),
        ("https://files.example.com/invoices/*", "https://files.example.com/secret"),
        ("https://files.example.com/invoices/*", "https://files.example.com/invoices/../secret"),
        ("https://files.example.com/invoices/*", "https://files.example.com/invoices/%2e%2e/secret"),
        ("https://files.example.com/invoices/*", "https://files.example.com/invoices/%252e%252e/secret"),
        ("https://files.example.com/invoices/*", "https://files.example.com/invoices/..%5csecret"),
        ("https://files.example.com", "file:///etc/passwd"),
        ("https://files.example.com", "files.example.com/a"),
        ("https://files.example.com", "https://[files.example.com/a"),
        ("https://files.example.com", "http://169.254.169.254/latest/meta-data"),
    ],
)
def test_a_url_that_only_looks_like_it_is_not(pattern: str, url: str) -> None:
    assert not is_allowed(url, pattern)


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("https://[2001:DB8::1]:8443/a/*", "https://[2001:db8:0::1]:8443/a/b", True),
        ("http://[::1]/*", "http://[0:0:0:0:0:0:0:1]/a", True),
        ("https://[::1]/*", "https://[::2]/a", False),
        ("https://[::1]/*", "https://[::1]:8443/a", False),
    ],
)
def test_a_pattern_may_have_an_ipv6_address(pattern: str, url: str, *, allowed: bool) -> None:
    assert is_allowed(url, pattern) is allowed


@pytest.mark.parametrize(
    "pattern", ["files.example.com", "*", "ftp://a/*", "https://", "https://a?b", "https://u@a"]
)
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="must be a URL such as"):
        UrlPattern.parse(pattern)


def test_the_refusal_shows_no_more_of_a_url_than_its_host() -> None:
    with pytest.raises(UrlNotAllowed, match="EMAIL_WORKER_ALLOWED_DOCUMENT_URLS") as caught:
        UrlPolicy().admit("https://ann:hunter2@files.example.com/a?token=t0ken")
    assert "https://files.example.com" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "t0ken" not in caught.value.message
