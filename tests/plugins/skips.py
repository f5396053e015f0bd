"""Fails a run in CI (environment variable CI) in which a test was skipped for a reason that is not listed here."""

import os
import re

import pytest

# Nothing that `.ci/run` could install: data outside the repository, and a right that a container may lack.
ALLOWED = (
    r"Google's whole taxonomy is not at ",
    r"no (clothing|grocery) photographs at ",
    r"a small file system can only be mounted by root",
)
_REASONS = pytest.StashKey[set[str]]()
_OF_WORKER = "skip_reasons"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REASONS] = set()
    config.pluginmanager.register(_Reports(config), "skip-reports")


class _Reports:
    """Collects the reasons of skipped tests and modules."""

    def __init__(self, config: pytest.Config) -> None:
        self._reasons = config.stash[_REASONS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._reasons.add(_reason(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._reasons.add(_reason(report))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Takes over what a worker of pytest-xdist skipped as it collected."""
        self._reasons.update(getattr(node, "workeroutput", {}).get(_OF_WORKER, ()))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)


def unlisted(config: pytest.Config) -> list[str]:
    """The reasons that are not allowed."""
    return sorted(each for each in config.stash[_REASONS] if not any(re.match(allowed, each) for allowed in ALLOWED))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_OF_WORKER] = sorted(session.config.stash[_REASONS])
    elif os.environ.get("CI") and unlisted(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if os.environ.get("CI"):
        for reason in unlisted(config):
            terminalreporter.write_line(f"skipped without a listed reason, which CI does not allow: {reason}", red=True)
