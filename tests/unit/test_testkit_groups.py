"""Tests of one group run in one process: they share a port or what takes long to start."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("a-group")
def test_the_mark_of_a_group_counts_where_tests_run_in_several_processes(
    request: pytest.FixtureRequest,
) -> None:
    has_several = request.config.getoption("loadgroup", default=False)
    # pytest-xdist tells the groups by the ends of the tests' names; with pytest 9.2 it does not.
    assert request.node.nodeid.endswith("@a-group") is has_several
