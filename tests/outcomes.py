"""What became of each test of a run, for `.ci/run`, which tells faults that need company from those that show alone."""

from typing import Any

import pytest

KEPT_AS = "build/outcomes"
"""In pytest's cache: {"status": pytest's exit status, "failed": {test: phase}, "passed": [test]}."""


class Outcomes:
    """A plugin of the process that reports; those in which the tests run have none."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: dict[str, str] = {}
        self._passed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed[report.nodeid] = str(report.when)
        elif report.when == "call" and report.passed:
            self._passed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed[report.nodeid] = "collection"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        kept: dict[str, Any] = {"status": int(exitstatus), "failed": self._failed, "passed": self._passed}
        if cache := self._config.cache:
            cache.set(KEPT_AS, kept)
