"""One side of the naive comparison.

python -m benchmarks.naive_pretraining naive|ours EPOCHS OUTPUT.json
"""

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.starting_weights import PHOTOGRAPHS, Collection, photographs
from catalog_assets.encoders.quality import selection_mask
from demo.clothing import read_labels
from ml.embeddings.quality import evaluate_embeddings
from ml.encoders.encoder import Encoder, build, embed
from ml.recipe_types import Optimization
from ml.recipes import RANDOM_MNV3, SIMCLR_MNV3
from ml.training.pretraining import PretrainingCallbacks, pretrain
from ml.vectors import LabeledEmbeddings

CPU = torch.device("cpu")
BATCH, TEMPERATURE, NUM_WORKERS = 256, 0.1, 2
NAIVE_SIDE, OUR_SIDE = 224, 64


class Files(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Two views of each file, decoded at every access."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._views = SimCLRTransform(input_size=NAIVE_SIDE)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = self._views(Image.open(self._files[index]).convert("RGB"))
        return first, second


def naive(collection: Collection, epochs: int) -> tuple[Encoder, list[float]]:
    """Pretrains as in tutorials; returns the encoder and the seconds of each epoch."""
    listed = read_labels(PHOTOGRAPHS)
    files = [PHOTOGRAPHS / "images" / f"{listed[row].image_id}.jpg" for row in collection.unlabeled]
    loader = DataLoader(Files(files), BATCH, shuffle=True, drop_last=True, num_workers=NUM_WORKERS)
    encoder = build(replace(RANDOM_MNV3, resolution=NAIVE_SIDE))
    encoder.set_memory_format(channels_last=False)
    head = SimCLRProjectionHead(encoder.dim, 512, 128)
    loss_of = NTXentLoss(TEMPERATURE)
    optimizer = torch.optim.AdamW([*encoder.backbone.parameters(), *head.parameters()], lr=1e-3)
    encoder.train()
    seconds = []
    for _ in range(epochs):
        started = time.perf_counter()
        for first, second in loader:
            loss = loss_of(head(encoder.backbone(first)), head(encoder.backbone(second)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    return encoder.eval(), seconds


def ours(collection: Collection, epochs: int) -> tuple[Encoder, list[float]]:
    """Pretrains with `ml.training` and the views of our recipe; returns the same."""
    settings = SIMCLR_MNV3.pretraining
    assert settings is not None  # noqa: S101 for the type checker
    optimization = Optimization(epochs=epochs, batch_size=BATCH, lr=4e-3, weight_decay=1e-4)
    recipe = replace(SIMCLR_MNV3, resolution=OUR_SIDE, pretraining=replace(settings, optimization=optimization))
    pixels = collection.pixels(OUR_SIDE)[collection.unlabeled]
    seconds: list[float] = []
    callbacks = PretrainingCallbacks(on_epoch=lambda metrics: seconds.append(len(pixels) / metrics["examples_per_s"]))
    return pretrain(recipe, pixels, CPU, callbacks).encoder, seconds


def main() -> None:
    """Pretrains, evaluates probes, and writes the results."""
    variant, epochs, output = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    collection = photographs()
    encoder, seconds = {"naive": naive, "ours": ours}[variant](collection, epochs)
    vectors = embed(encoder, collection.pixels(encoder.resolution), CPU)
    train, evaluation = (
        LabeledEmbeddings(vectors[rows], collection.levels[rows, -1])
        for rows in (collection.trainable, collection.evaluation)
    )
    quality = evaluate_embeddings(train, evaluation, selection_mask(collection.groups(collection.trainable)), CPU)
    means = {metric: float(values.mean()) for metric, values in quality.per_image.items()}
    result = {"epoch_s": float(np.median(seconds)), "knn": means["knn_top1"], "linear": means["linear_top1"]}
    output.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
