"""Freed memory is kept: a real process's page faults, before and after."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

PROGRAM = """
import resource
import torch
from ml.memory import keep_freed_memory

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.zeros(64 * 2**20, dtype=torch.uint8).add_(1)  # above what glibc ever keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
given_back = faults()
kept = keep_freed_memory()
faults()
print(kept, given_back, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc gives freed memory back this way")
def test_a_process_that_keeps_its_memory_is_not_charged_for_the_same_pages_again() -> None:
    output = subprocess.run([sys.executable, "-c", PROGRAM], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    kept, given_back, again = output.stdout.split()
    assert kept == "True"
    assert int(given_back) > 1_000
    assert int(again) < int(given_back) / 100
