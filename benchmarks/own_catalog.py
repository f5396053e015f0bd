"""Own catalog: the tutorial's commands on real photographs, from a folder to a champion and an exported file.

make bench NAME=own_catalog

Clothing has 17 labels, split by sender; grocery has 81 in three levels, with its own splits. The plan is the one that
`shelfsight init` writes. The dry run before the run is compared with what the run then takes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.claims import Claim, at_least, at_most, beside, publish
from resources.settings import Settings, variable_of

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
MIN_TOP1 = {"clothing": 0.80, "grocery": 0.72}
MAX_S = 600


def main() -> None:
    """Measures, prints and publishes."""
    publish("own_catalog", [claim for name in MIN_TOP1 for claim in claims(name)])


def claims(name: str) -> list[Claim]:
    """Returns the claims about one set, whose images are imported where they lie."""
    with tempfile.TemporaryDirectory() as folder:
        photos, project = DATA / name, Path(folder) / "catalog"
        started = time.perf_counter()
        shelfsight(Path(folder), "init", "catalog", "--yes")
        shelfsight(project, "import", str(photos / "images"), "--labels", str(photos / "labels.csv"))
        shelfsight(project, "check")
        expected_s = shelfsight(project, "run", "--dry-run")["total"]["seconds"]
        run_started = time.perf_counter()
        shelfsight(project, "run")
        run_s = time.perf_counter() - run_started
        exported = shelfsight(project, "export", "catalog", "catalog.csv")
        whole_s = time.perf_counter() - started
        (champion,) = pl.read_parquet(project / "store" / "comparison" / "data.parquet").to_dicts()
    num, labels = f"{exported['rows']:,}", champion["num_labels"]
    interval = f"95 % within {champion['top1_low']:.3f} to {champion['top1_high']:.3f}"
    return [
        at_most(f"{name}, {num} photographs: from `shelfsight init` to an exported catalog", whole_s, MAX_S, "s"),
        at_least(
            f"{name}: top-1 of the champion on the test split, {labels:,} training labels, {interval}",
            champion["top1"],
            MIN_TOP1[name],
            "",
        ),
        beside(f"{name}: `shelfsight run`, beside the estimate of `--dry-run`", run_s, expected_s, "s"),
    ]


def shelfsight(folder: Path, *words: str) -> Any:
    """Runs a command in a folder, without settings from the environment, and returns its JSON output."""
    unset = {variable_of(field) for field in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-m", "shelfsight", *words, "--json"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
