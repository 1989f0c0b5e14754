"""For all tests: where CI=true, nothing may be skipped, since a skip hides a gap."""

from __future__ import annotations

import os
from typing import Any

import pytest


def _not_skipped(report: Any) -> Any:
    if os.environ.get("CI") == "true" and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport() -> Any:
    """A skipped test has failed."""
    return _not_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    """A skipped module has failed."""
    return _not_skipped((yield))
