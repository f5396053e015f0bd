"""The suite's tally: how many cases ran, and how many held."""

from collections import Counter

import pytest

_TALLY = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLY] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    report = yield
    if report.when == "call" and "faults" in item.path.parts:
        item.config.stash[_TALLY][report.outcome] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash[_TALLY]
    if num_cases := sum(tally.values()) - tally["skipped"]:
        terminalreporter.write_line(f"fault suite: {num_cases} cases ran, {tally['passed']} held")
