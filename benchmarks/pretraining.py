"""Pretraining: throughput compared with lightly on the same JPEG files, and peak memory of a large batch.

make bench NAME=pretraining
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.claims import Claim, at_least, at_least_times, at_most_times, beside, publish
from benchmarks.pretraining_recipes import NUM_IMAGES
from benchmarks.processes import measure

REPOSITORY = Path(__file__).parent.parent
PHOTOGRAPHS = Path(os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(REPOSITORY.parent / "shared" / "data" / "clothing")))
BARS = {"mobilenetv3_small_050": 2.0, "resnet18": 1.4}
WORKERS = (0, 1, 2)
MIN_NETWORK_SHARE = 0.85
LARGE, SMALL = 4_096, 256


def main() -> None:
    """Measures, prints and publishes."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = scratch / "images"
        folder.mkdir()
        for file in sorted((PHOTOGRAPHS / "images").glob("*.jpg"))[:NUM_IMAGES]:
            (folder / file.name).write_bytes(file.read_bytes())
        claims = [claim for backbone in BARS for claim in compare(backbone, folder, scratch)]
        peaks = {size: peak_mib(size, scratch) for size in (LARGE, SMALL)}
        print(peaks, flush=True)
        claim = f"SimCLR of {LARGE:,} images a step in parts of {SMALL}: peak memory against steps of {SMALL}"
        claims.append(at_most_times(claim, peaks[LARGE], peaks[SMALL], 1.25, "MiB"))
    publish("pretraining", claims)


def compare(backbone: str, folder: Path, scratch: Path) -> Iterator[Claim]:
    """Compares each method with lightly at its best number of data loader workers."""
    for method in ("simclr", "byol", "swav"):
        theirs = max(run_lightly(method, backbone, workers, folder, scratch) for workers in WORKERS)
        ours = run_ours(method, backbone, folder, scratch)
        print(f"{method} {backbone}: {ours} against {theirs:.0f} images/s", flush=True)
        claim = f"{method} on {backbone} at 64 px, {ours['computed_in']}, against lightly"
        if method == "simclr":
            yield at_least_times(claim, ours["rate"], theirs, BARS[backbone], "images/s")
        else:
            yield beside(claim, ours["rate"], theirs, "images/s")
        share = ours["rate"] / ours["network_rate"]
        yield at_least(f"{method} on {backbone}: share of the time spent in the network", share, MIN_NETWORK_SHARE, "")


def run_ours(method: str, backbone: str, folder: Path, scratch: Path) -> dict[str, float]:
    """Runs our side in its own process and returns its measurements."""
    output = scratch / "ours.json"
    measure(
        [sys.executable, "-m", "benchmarks.pretraining_ours", method, backbone, str(folder), str(output)],
        scratch / "log",
    )
    measured: dict[str, float] = json.loads(output.read_text())
    return measured


def run_lightly(method: str, backbone: str, num_workers: int, folder: Path, scratch: Path) -> float:
    """Runs lightly in its own process and returns its images per second."""
    output = scratch / "peer.json"
    command = [sys.executable, "-m", "benchmarks.pretraining_peer", method, backbone, str(folder)]
    measure([*command, str(num_workers), str(output)], scratch / "log")
    rate = float(json.loads(output.read_text())["rate"])
    print(f"lightly, {method} {backbone}, {num_workers} workers: {rate:.0f} images/s", flush=True)
    return rate


def peak_mib(batch: int, scratch: Path) -> float:
    """Returns the peak memory in MiB of a process that trains on one batch in micro-batches of SMALL."""
    command = [sys.executable, "-m", "benchmarks.pretraining_memory", str(batch), str(SMALL)]
    return measure(command, scratch / "log").peak_mib


if __name__ == "__main__":
    main()
