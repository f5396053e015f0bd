"""The number of cores follows the process's own set of them, and Python's variable overrides it."""

import os
import subprocess
import sys

import pytest

from catalog.storage.cores import OVERRIDE, num_cores


def test_a_process_bound_to_one_core_counts_one() -> None:
    script = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from catalog.storage.cores import num_cores
print(num_cores())
"""
    environment = {name: value for name, value in os.environ.items() if name != OVERRIDE}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "1"


def test_the_variable_overrides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "7")
    assert num_cores() == 7


@pytest.mark.parametrize("value", ["", "0", "-2", "default", "two"])
def test_what_is_no_positive_number_is_ignored(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.delenv(OVERRIDE, raising=False)
    expected = num_cores()
    monkeypatch.setenv(OVERRIDE, value)
    assert num_cores() == expected
