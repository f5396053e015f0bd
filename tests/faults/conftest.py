"""The suite's tally: how many cases ran, how many held, and which did not."""

import pytest

_HELD = pytest.StashKey[dict[str, bool]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_HELD] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """Notes a case that ran. Neither a known fault has held nor a case whose delivery failed before or after it."""
    report = yield
    held = item.config.stash[_HELD]
    is_case = "faults" in item.path.parts
    is_skipped = report.skipped and not hasattr(report, "wasxfail")
    if is_case and not is_skipped and (report.when == "call" or report.failed):
        held[item.nodeid] = held.get(item.nodeid, True) and report.passed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    held = config.stash[_HELD]
    if held:
        terminalreporter.write_line(f"fault suite: {len(held)} cases ran, {sum(held.values())} held")
    for name in sorted(name for name, is_held in held.items() if not is_held):
        terminalreporter.write_line(f"  did not hold: {name}")
