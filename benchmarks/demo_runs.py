"""Timed runs of the demo: each ``make demo`` into an empty project, and again."""

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims import Claim, at_most

REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class DemoRuns:
    """The wall seconds of the first and of the second run, and the peak memory of their largest process."""

    first_s: float
    second_s: float
    peak_gib: float

    def claims(self, command: str, num_products: str, max_first_s: float) -> list[Claim]:
        """Returns the claims that every demo makes."""
        return [
            at_most(f"`{command}`, {num_products} products, after installation", self.first_s, max_first_s, "s"),
            at_most(f"`{command}`: peak memory of its largest process", self.peak_gib, 4, "GiB"),
            at_most(f"`{command}` again, nothing to do", self.second_s, 30, "s"),
        ]


def run_twice(project: Path, options: Sequence[str] = ()) -> DemoRuns:
    """Runs ``make demo`` twice into one project; the second run must find nothing to do."""
    command = ["make", "demo", *options, f"PROJECT={project}"]
    first_s = timed(command)
    peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # ru_maxrss is in KiB
    return DemoRuns(first_s=first_s, second_s=timed(command, expected="everything is up to date"), peak_gib=peak_gib)


def timed(command: list[str], expected: str = "") -> float:
    """Returns the wall seconds of a process that must succeed and print `expected`."""
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    started = time.perf_counter()
    output = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    elapsed_s = time.perf_counter() - started
    print(output.stdout[-4000:])
    if expected not in output.stdout:
        raise RuntimeError(f"{' '.join(command)} did not print {expected!r}")
    return elapsed_s
