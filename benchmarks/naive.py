"""The naive recipe beside ours: SimCLR as tutorials write it, at 224 px, view by view, in float32.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_TAXONOMY=FILE make bench NAME=naive

Both pretrain the same network from random weights on the clothing photographs of the training senders; then probes
learn from those senders' labels and are judged on the test senders' photographs.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims import at_least_times, figure, publish
from benchmarks.processes import measure

EPOCHS, MANY_EPOCHS = 5, 50
MIN_CHEAPER = 7.0  # as published: 7 to 15 times


@dataclass(frozen=True)
class Pretrained:
    """What one way took and came to."""

    epoch_s: float
    knn: float
    linear: float
    peak_mib: float


def main() -> None:
    """Pretrain all ways, print, publish."""
    with tempfile.TemporaryDirectory() as name:
        naive = pretrained("naive", EPOCHS, Path(name))
        ours = pretrained("ours", EPOCHS, Path(name))
        longer = pretrained("ours", MANY_EPOCHS, Path(name))
    what = "SimCLR on mobilenetv3_small_050, clothing photographs"
    claims = [
        at_least_times(
            f"{what}: an epoch at 64 px, views in batches, beside 224 px, view by view, float32",
            1 / ours.epoch_s,
            1 / naive.epoch_s,
            MIN_CHEAPER,
            "epochs/s",
        )
    ]
    for way, made, epochs in (
        ("the naive recipe", naive, EPOCHS),
        ("ours", ours, EPOCHS),
        ("ours", longer, MANY_EPOCHS),
    ):
        told = f"{what}: {way}, {epochs} epochs in {epochs * made.epoch_s:.0f} s, {made.peak_mib:,.0f} MiB"
        claims.append(figure(f"{told}: linear probe on test senders (kNN {made.knn:.3f})", made.linear, ""))
    publish("naive", claims)


def pretrained(way: str, epochs: int, place: Path) -> Pretrained:
    """One way in a process of its own."""
    answer = place / "answer.json"
    command = [sys.executable, "-m", "benchmarks.naive_pretraining", way, str(epochs), str(answer)]
    peak_mib = measure(command, place / "log").peak_mib
    made = Pretrained(**json.loads(answer.read_text()), peak_mib=peak_mib)
    print(way, epochs, made, flush=True)
    return made


if __name__ == "__main__":
    main()
