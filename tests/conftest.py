"""What holds for every test."""

from __future__ import annotations

import fnmatch
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# gRPC ends now and then a child that is forked, before it becomes the server that a test starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on who else uses the machine: that is no property of the code.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

HERE = Path(__file__).parent
# What takes long, for a run of its own (`make test-slow`): waiting for time-outs, large folders, browsers,
# engines that are killed, installations, memory and time under hostile input.
SLOW = (
    "deploy/*",
    "docs/*",
    "modeler/*",
    "engine/test_cli.py",
    "engine/test_documents.py",
    "engine/test_examples.py",
    "engine/test_jars.py",
    "engine/test_large_results.py",
    "engine/test_observability.py",
    "engine/test_pop3_nothing_lost.py",
    "engine/test_sandbox*.py",
    "engine/test_send.py",
    "engine/test_vendor.py",
    "security/test_*hostile*.py",
    "security/test_memory_*.py",
    "security/test_patterns.py",
    "security/test_time.py",
    "servers/pop3/test_pop3_as_imap.py",
    "servers/smtp/test_postfix.py",
    "servers/test_cancellation.py",
    "servers/test_oauth.py",
    "servers/test_server_check.py",
    "servers/test_testkit_*.py",
    "storm/*",
    "servers/*/test_*cost*.py",
    "servers/*/test_*fault*.py",
    "servers/*/test_*garbage*.py",
    "servers/*/test_*removal*.py",
    "servers/*/test_*session*.py",
    "unit/feel/test_hostile.py",
    "unit/test_traces.py",
)


@pytest.fixture(scope="session", autouse=True)
def no_authorities_of_the_system() -> Iterator[None]:
    """Servers of tests have an authority of their own; to read the system's takes 20 ms for each context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks by which tests are left out or chosen."""
    config.addinivalue_line("markers", "slow: takes long; `make test-slow` runs these alone")
    config.addinivalue_line("markers", "container: needs Docker; run by `make test-container`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long, by its file."""
    for item in items:
        path = item.path.relative_to(HERE).as_posix()
        if any(fnmatch.fnmatch(path, pattern) for pattern in SLOW):
            item.add_marker("slow")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """On CI nothing may be missing: a skipped test fails the run."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI"):
        terminalreporter.write_sep("=", f"{len(skipped)} skipped, and CI forbids it", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a green run with skips into a red one under CI."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and os.environ.get("CI"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
