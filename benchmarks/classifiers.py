"""Classifiers: the cost of heads with thousands of leaves in a training step.

make bench NAME=classifiers
"""

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.claims import at_most, figure, publish
from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.encoders.encoder import build
from ml.memory import keep_freed_memory
from ml.recipe_types import EncoderRecipe
from ml.recipes import FINETUNE_5PCT, IMAGENET_LITE0, RANDOM_MNV3
from ml.training.classification import ClassificationTask, Examples
from ml.training.optimizers import build_optimizer

NUM_LEAVES, BATCH, NUM_STEPS = 5_000, 64, 12
MAX_SHARE = 0.15
CPU = torch.device("cpu")
ENCODERS = {"lite0": IMAGENET_LITE0, "mobilenetv3_small_050": RANDOM_MNV3}


def main() -> None:
    """Measures, prints and publishes."""
    keep_freed_memory()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    claims = []
    for backbone, encoder in ENCODERS.items():
        for heads in HEADS:
            few, many = steps_s(encoder, heads, (1, NUM_LEAVES))
            print(f"{backbone}, {heads}: {1000 * few:.0f} ms with one leaf, {1000 * many:.0f} ms with {NUM_LEAVES:,}")
            subject = f"{heads} heads of {NUM_LEAVES:,} leaves on 4 levels, {backbone} at {encoder.resolution} px"
            share = 1 - few / many
            # Behind a network of half a million weights, millions in the heads are most of the work: no bar there.
            has_bar = backbone == "lite0"
            claim = f"{subject}: share of a training step"
            claims.append(at_most(claim, share, MAX_SHARE, "") if has_bar else figure(claim, share, ""))
    publish("classifiers", claims)


def steps_s(encoder: EncoderRecipe, heads: str, num_leaves: Sequence[int]) -> list[float]:
    """Returns the seconds of a training step for each number of leaves: measured in turn, the fastest of each."""
    steps = [training_step(encoder, heads, num) for num in num_leaves]
    taken: list[list[float]] = [[] for _ in steps]
    for _ in range(NUM_STEPS):
        for step, own in zip(steps, taken, strict=True):
            started = time.perf_counter()
            step()
            own.append(time.perf_counter() - started)
    return [min(own) for own in taken]


def training_step(encoder: EncoderRecipe, heads: str, num_leaves: int) -> Callable[[], None]:
    """Returns a training step (forward, backward, optimizer) that is repeated on the same images."""
    rng = np.random.default_rng(0)
    side = encoder.resolution
    leaves = np.arange(max(num_leaves, BATCH)) % num_leaves
    labels = np.stack([0 * leaves, leaves // 250, leaves // 10, leaves], axis=1)
    pixels = rng.integers(0, 256, (BATCH, 3, side, side), dtype=np.uint8)
    classifier = Classifier(build(encoder), Hierarchy.of_labels(labels), Template(heads=heads)).train()
    examples = Examples(inputs=pixels, labels=labels[rng.permutation(len(labels))[:BATCH]])
    task = ClassificationTask(classifier, FINETUNE_5PCT, examples, None)
    optimizer = build_optimizer(classifier, FINETUNE_5PCT.optimization)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        task.backward(torch.arange(BATCH))
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
