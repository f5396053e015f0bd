"""Tally of the fault suite over all workers: the number of cases, the number that passed, and the other names."""

import pytest

_PASSED = pytest.StashKey[dict[str, bool]]()
FOLDER = "tests/faults/"
# The table of the dirty world: the test that runs each of its cases.
TABLES = {
    "dirty feeds": "tests/faults/dirty/test_feeds.py::test_dirty_feed[",
    "dirty images": "tests/faults/dirty/test_images.py::test_dirty_image[",
    "redeliveries": "tests/faults/dirty/test_redeliveries.py::test_redelivery[",
}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_PASSED] = {}
    config.pluginmanager.register(_Reports(config), "fault-reports")


class _Reports:
    """Records every case that ran."""

    def __init__(self, config: pytest.Config) -> None:
        self._passed = config.stash[_PASSED]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Records a case as failed if it is a known fault, or if its fixture failed before or after it."""
        is_skipped = report.skipped and not hasattr(report, "wasxfail")
        if report.nodeid.startswith(FOLDER) and not is_skipped and (report.when == "call" or report.failed):
            self._passed[report.nodeid] = self._passed.get(report.nodeid, True) and report.passed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    passed = config.stash[_PASSED]
    if passed:
        terminalreporter.write_line(f"fault suite: {len(passed)} cases ran, {sum(passed.values())} passed")
    for name, prefix in TABLES.items():
        cases = [is_passed for nodeid, is_passed in passed.items() if nodeid.startswith(prefix)]
        if cases:
            terminalreporter.write_line(f"  {name}: {len(cases)} cases, {sum(cases)} passed")
    for name in sorted(name for name, is_passed in passed.items() if not is_passed):
        terminalreporter.write_line(f"  failed: {name}")
