"""A linear probe on cached embeddings: logistic regression to the same loss as scikit-learn's, and the time of both.

make bench NAME=linear_probe

The embeddings are drawn: a centre a leaf and noise about it, in directions whose variance falls as a power of their
rank, as an encoder's does, then rotated and standardised; a tenth of the labels are wrong.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.claims import Claim, at_most_times, beside, figure, publish
from benchmarks.processes import measure

SHARE_WRONG = 0.1
SPREAD = 1.5  # of a picture about its leaf's centre, as a multiple of the centres' own
CHUNK = 10_000
SLACK = 1e-4  # of the loss that ours ends with: so much higher counts as the same, for scikit-learn
MAX_RATIO = 1 / 3


def main() -> None:
    """Measure, print, publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1_280)
    parser.add_argument("--leaves", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_embeddings(place, options.pictures, options.dim, options.leaves)
        ours, our_mib = run("ours", place)
        peer, peer_mib = run("peer", place, str(ours["loss"] * (1 + SLACK)))
    print(f"ours: {ours}, peak {our_mib:,.0f} MiB\nscikit-learn: {peer}, peak {peer_mib:,.0f} MiB", flush=True)
    what = (
        f"linear probe of {options.pictures:,} embeddings of {options.dim:,} dimensions onto {options.leaves:,} leaves"
    )
    claims: list[Claim] = [
        at_most_times(
            f"{what}, beside scikit-learn at the same loss", ours["seconds"], peer["seconds"], MAX_RATIO, "s"
        ),
        figure(f"{what}: loss of ours over scikit-learn's, less 1", ours["loss"] / peer["loss"] - 1, ""),
        beside(f"{what}: passes over the embeddings", ours["passes"], peer["passes"], ""),
        beside(f"{what}: peak memory of the process", our_mib / 1024, peer_mib / 1024, "GiB"),
    ]
    if vars(options) == {name: parser.get_default(name) for name in vars(options)}:
        publish("linear_probe", claims)
    else:
        print(*claims, sep="\n")


def run(side: str, place: Path, *arguments: str) -> tuple[dict[str, float], float]:
    """What a process of its own says of its fit, and its peak memory in MiB; both have the same threads."""
    threads = str(len(os.sched_getaffinity(0)))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    answer = place / f"{side}.json"
    command = [sys.executable, "-m", f"benchmarks.linear_probe_{side}", str(place), str(answer), *arguments]
    measured = measure(command, place / f"{side}.log", limits)
    return json.loads(answer.read_text()), measured.peak_mib


def write_embeddings(place: Path, num: int, dim: int, num_leaves: int) -> None:
    """`inputs.npy` (num, dim), float32 and standardised, and `targets.npy` (num,)."""
    rng = np.random.default_rng(0)
    scales = ((1 + np.arange(dim)) ** -0.5).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0].astype(np.float32)
    centres = rng.standard_normal((num_leaves, dim), dtype=np.float32)
    targets = rng.integers(num_leaves, size=num)
    inputs = np.empty((num, dim), dtype=np.float32)
    for start in range(0, num, CHUNK):
        of = centres[targets[start : start + CHUNK]]
        noise = SPREAD * rng.standard_normal(of.shape, dtype=np.float32)
        inputs[start : start + CHUNK] = ((of + noise) * scales) @ rotation
    is_wrong = rng.random(num) < SHARE_WRONG
    targets[is_wrong] = rng.integers(num_leaves, size=int(is_wrong.sum()))
    inputs -= inputs.mean(axis=0)
    inputs /= inputs.std(axis=0)
    np.save(place / "inputs.npy", inputs)
    np.save(place / "targets.npy", targets)


if __name__ == "__main__":
    main()
