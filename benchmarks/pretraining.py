"""Pretraining: pictures a second beside lightly on the same JPEG files, and the memory of a large batch.

make bench NAME=pretraining
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.claims import Claim, at_least, at_least_times, at_most_times, beside, publish
from benchmarks.pretraining_recipes import NUM_PICTURES
from benchmarks.processes import measure

REPOSITORY = Path(__file__).parent.parent
PHOTOGRAPHS = Path(os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(REPOSITORY.parent / "shared" / "data" / "clothing")))
BARS = {"mobilenetv3_small_050": 2.0, "resnet18": 1.4}
WORKERS = (0, 1, 2)
MIN_NETWORK_SHARE = 0.85
LARGE, SMALL = 4_096, 256


def main() -> None:
    """Measure, print, publish."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder = place / "pictures"
        folder.mkdir()
        for file in sorted((PHOTOGRAPHS / "images").glob("*.jpg"))[:NUM_PICTURES]:
            (folder / file.name).write_bytes(file.read_bytes())
        claims = [claim for backbone in BARS for claim in compared(backbone, folder, place)]
        peaks = {size: peak(size, place) for size in (LARGE, SMALL)}
        print(peaks, flush=True)
        what = f"SimCLR of {LARGE:,} pictures a step in parts of {SMALL}: peak memory against steps of {SMALL}"
        claims.append(at_most_times(what, peaks[LARGE], peaks[SMALL], 1.25, "MiB"))
    publish("pretraining", claims)


def compared(backbone: str, folder: Path, place: Path) -> Iterator[Claim]:
    """Each method, ours and lightly's at the number of workers that suits it best."""
    for method in ("simclr", "byol", "swav"):
        theirs = max(peer(method, backbone, workers, folder, place) for workers in WORKERS)
        ours = mine(method, backbone, folder, place)
        print(f"{method} {backbone}: {ours} against {theirs:.0f} pictures/s", flush=True)
        what = f"{method} on {backbone} at 64 px, {ours['computed_in']}, against lightly"
        if method == "simclr":
            yield at_least_times(what, ours["rate"], theirs, BARS[backbone], "pictures/s")
        else:
            yield beside(what, ours["rate"], theirs, "pictures/s")
        share = ours["rate"] / ours["network_rate"]
        yield at_least(
            f"{method} on {backbone}: share of the time that the network computes", share, MIN_NETWORK_SHARE, ""
        )


def mine(method: str, backbone: str, folder: Path, place: Path) -> dict[str, float]:
    """What our side says of itself."""
    answer = place / "ours.json"
    measure(
        [sys.executable, "-m", "benchmarks.pretraining_ours", method, backbone, str(folder), str(answer)], place / "log"
    )
    told: dict[str, float] = json.loads(answer.read_text())
    return told


def peer(method: str, backbone: str, num_workers: int, folder: Path, place: Path) -> float:
    """lightly's pictures a second."""
    answer = place / "peer.json"
    command = [sys.executable, "-m", "benchmarks.pretraining_peer", method, backbone, str(folder)]
    measure([*command, str(num_workers), str(answer)], place / "log")
    rate = float(json.loads(answer.read_text())["rate"])
    print(f"lightly, {method} {backbone}, {num_workers} workers: {rate:.0f} pictures/s", flush=True)
    return rate


def peak(batch: int, place: Path) -> float:
    """MiB of a process that takes one step of so many pictures in parts of SMALL."""
    command = [sys.executable, "-m", "benchmarks.pretraining_memory", str(batch), str(SMALL)]
    return measure(command, place / "log").peak_mib


if __name__ == "__main__":
    main()
