"""Naive pretraining: SimCLR as in tutorials (224 px, view by view, float32) compared with ours.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_TAXONOMY=FILE make bench NAME=naive

Both pretrain the same network from random weights on the clothing photographs of the training senders. Probes are then
fitted to those senders' labels and evaluated on the photographs of the test senders.
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
    """Cost and quality of one pretraining: seconds per epoch, accuracies of two probes, peak memory."""

    epoch_s: float
    knn: float
    linear: float
    peak_mib: float


def main() -> None:
    """Runs all pretrainings, prints and publishes."""
    with tempfile.TemporaryDirectory() as name:
        naive = run("naive", EPOCHS, Path(name))
        ours = run("ours", EPOCHS, Path(name))
        longer = run("ours", MANY_EPOCHS, Path(name))
    subject = "SimCLR on mobilenetv3_small_050, clothing photographs"
    claims = [
        at_least_times(
            f"{subject}: an epoch at 64 px, views in batches, beside 224 px, view by view, float32",
            1 / ours.epoch_s,
            1 / naive.epoch_s,
            MIN_CHEAPER,
            "epochs/s",
        )
    ]
    for variant, result, epochs in (
        ("the naive recipe", naive, EPOCHS),
        ("ours", ours, EPOCHS),
        ("ours", longer, MANY_EPOCHS),
    ):
        cost = f"{subject}: {variant}, {epochs} epochs in {epochs * result.epoch_s:.0f} s, {result.peak_mib:,.0f} MiB"
        claims.append(figure(f"{cost}: linear probe on test senders (kNN {result.knn:.3f})", result.linear, ""))
    publish("naive", claims)


def run(variant: str, epochs: int, scratch: Path) -> Pretrained:
    """Pretrains in its own process and returns its measurements."""
    output = scratch / "output.json"
    command = [sys.executable, "-m", "benchmarks.naive_pretraining", variant, str(epochs), str(output)]
    peak_mib = measure(command, scratch / "log").peak_mib
    result = Pretrained(**json.loads(output.read_text()), peak_mib=peak_mib)
    print(variant, epochs, result, flush=True)
    return result


if __name__ == "__main__":
    main()
