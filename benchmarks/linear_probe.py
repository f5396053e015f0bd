"""Linear probe: time of our logistic regression, scikit-learn's and PyTorch's L-BFGS to reach the same loss.

make bench NAME=linear_probe

scikit-learn is beside us on synthetic embeddings: one center per leaf plus noise, in directions whose variance falls as
a power of their rank, as an encoder's does, rotated and standardized; a tenth of the labels are wrong.
`torch.optim.LBFGS` is beside us on the embeddings of Fashion-MNIST by lite0 with ImageNet weights, at the weight decays
that a probe chooses from.
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
from benchmarks.starting_weights import DEVICE, fashion
from ml.encoders.encoder import build, embed
from ml.recipes import IMAGENET_LITE0

SHARE_WRONG = 0.1
SPREAD = 1.5  # noise of an image, relative to the spread of the leaves' centers
CHUNK = 10_000
SLACK = 1e-4  # scikit-learn may stop at a loss that is higher than ours by this share
MAX_RATIO = 1 / 3
WEIGHT_DECAYS = (1e-1, 1e-2, 1e-3, 1e-4)  # of the fits beside PyTorch's
TORCH_SLACK = 1e-6
NUM_IMAGES = 20_000


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1_280)
    parser.add_argument("--leaves", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        write_embeddings(scratch, options.images, options.dim, options.leaves)
        ours, our_mib = run("ours", scratch, str(1 / options.images))  # scikit-learn's default C of 1
        peer, peer_mib = run("peer", scratch, str(ours["loss"] * (1 + SLACK)))
    print(f"ours: {ours}, peak {our_mib:,.0f} MiB\nscikit-learn: {peer}, peak {peer_mib:,.0f} MiB", flush=True)
    subject = (
        f"linear probe of {options.images:,} embeddings of {options.dim:,} dimensions onto {options.leaves:,} leaves"
    )
    claims: list[Claim] = [
        at_most_times(
            f"{subject}, beside scikit-learn at the same loss", ours["seconds"], peer["seconds"], MAX_RATIO, "s"
        ),
        figure(f"{subject}: loss of ours over scikit-learn's, less 1", ours["loss"] / peer["loss"] - 1, ""),
        beside(f"{subject}: passes over the embeddings", ours["passes"], peer["passes"], ""),
        beside(f"{subject}: peak memory of the process", our_mib / 1024, peer_mib / 1024, "GiB"),
    ]
    claims += beside_torch()
    if vars(options) == {name: parser.get_default(name) for name in vars(options)}:
        publish("linear_probe", claims)
    else:
        print(*claims, sep="\n")


def beside_torch() -> list[Claim]:
    """Fits the embeddings of Fashion-MNIST at each weight decay, ours and then `torch.optim.LBFGS`."""
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        write_fashion_embeddings(scratch)
        for weight_decay in WEIGHT_DECAYS:
            ours, _ = run("ours", scratch, str(weight_decay))
            peer, _ = run("torch", scratch, str(weight_decay), str(ours["loss"] * (1 + TORCH_SLACK)))
            print(f"weight decay {weight_decay}, ours: {ours}\ntorch.optim.LBFGS: {peer}", flush=True)
            subject = (
                f"linear probe of {NUM_IMAGES:,} Fashion-MNIST images by lite0 at weight decay {weight_decay:g}, "
                "beside torch.optim.LBFGS"
            )
            claims += [
                beside(subject, ours["seconds"], peer["seconds"], "s"),
                figure(f"{subject}: loss of ours over its loss, less 1", ours["loss"] / peer["loss"] - 1, ""),
            ]
    return claims


def write_fashion_embeddings(folder: Path) -> None:
    """Writes `inputs.npy` (num, 1280), float32, and `targets.npy` (num,) of training images of Fashion-MNIST."""
    clothes = fashion()
    rows = np.random.default_rng(0).permutation(clothes.trainable)[:NUM_IMAGES]
    pixels = clothes.pixels(IMAGENET_LITE0.resolution)[rows]
    np.save(folder / "inputs.npy", embed(build(IMAGENET_LITE0), pixels, DEVICE))
    np.save(folder / "targets.npy", np.unique(clothes.levels[rows, -1], return_inverse=True)[1])


def run(side: str, scratch: Path, *arguments: str) -> tuple[dict[str, float], float]:
    """Fits in its own process, with equal threads; returns its measurements and its peak memory in MiB."""
    threads = str(len(os.sched_getaffinity(0)))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    output = scratch / f"{side}.json"
    command = [sys.executable, "-m", f"benchmarks.linear_probe_{side}", str(scratch), str(output), *arguments]
    measured = measure(command, scratch / f"{side}.log", limits)
    return json.loads(output.read_text()), measured.peak_mib


def write_embeddings(folder: Path, num: int, dim: int, num_leaves: int) -> None:
    """Writes `inputs.npy` (num, dim), float32 and standardized, and `targets.npy` (num,)."""
    rng = np.random.default_rng(0)
    scales = ((1 + np.arange(dim)) ** -0.5).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0].astype(np.float32)
    centers = rng.standard_normal((num_leaves, dim), dtype=np.float32)
    targets = rng.integers(num_leaves, size=num)
    inputs = np.empty((num, dim), dtype=np.float32)
    for start in range(0, num, CHUNK):
        leaf_centers = centers[targets[start : start + CHUNK]]
        noise = SPREAD * rng.standard_normal(leaf_centers.shape, dtype=np.float32)
        inputs[start : start + CHUNK] = ((leaf_centers + noise) * scales) @ rotation
    is_wrong = rng.random(num) < SHARE_WRONG
    targets[is_wrong] = rng.integers(num_leaves, size=int(is_wrong.sum()))
    inputs -= inputs.mean(axis=0)
    inputs /= inputs.std(axis=0)
    np.save(folder / "inputs.npy", inputs)
    np.save(folder / "targets.npy", targets)


if __name__ == "__main__":
    main()
