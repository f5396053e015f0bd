"""Starting weights: self-supervised pretraining compared with random and ImageNet weights, on few labels.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_TAXONOMY=FILE make bench NAME=starting_weights

Takes hours on two cores. Pretrained encoders are cached in `.bench/starting-weights`, and an interrupted run resumes.
Pretraining uses no test image and no label; recipes were chosen on validation images.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from upath import UPath

from benchmarks.claims import Claim, at_least, figure, publish
from benchmarks.peers import BENCH
from catalog.dataset.splits import split_of
from catalog.evaluation.data_efficiency import crossed_estimate
from catalog.storage.cores import num_cores
from catalog.taxonomy.tree import Taxonomy
from demo.clothing import read_labels
from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, load, render
from demo.partners import LEAVES, REFERENCE
from demo.settings import DATA
from ml.classifiers.predicting import predict
from ml.encoders.encoder import Encoder, build
from ml.pixels import decode_pixels
from ml.recipe_types import ClassifierRecipe, EncoderRecipe, Optimization, fingerprint
from ml.recipes import FINETUNE_5PCT, IMAGENET_LITE0, RANDOM_MNV3, SEEDS, SIMCLR_MNV3, pretrained_by, share_recipe
from ml.training.classification import Examples
from ml.training.finetuning import train_classifier
from ml.training.pretraining import PretrainingCallbacks, pretrain

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
PHOTOGRAPHS = Path(os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(SHARED / "clothing")))
TAXONOMY = os.environ.get("SHELFSIGHT_TAXONOMY", str(SHARED / "google_taxonomy" / "taxonomy-with-ids.en-US.txt"))
FOLDER = BENCH / "starting-weights"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MIN_OVER_RANDOM, MIN_OVER_IMAGENET = 13.0, 8.0  # points

LITE0 = replace(IMAGENET_LITE0, name="imagenet-lite0-48", resolution=48)
SIMCLR_LITE0 = pretrained_by(
    "simclr",
    LITE0,
    options={"temperature": 0.1},
    optimization=Optimization(epochs=5, batch_size=256, lr=1e-3, weight_decay=1e-4),
)
# Fewer images, so more epochs; colors distinguish clothes, so they are jittered less.
SIMCLR_LITE0_PHOTOGRAPHS = replace(
    pretrained_by(
        "simclr",
        IMAGENET_LITE0,
        options={"temperature": 0.1},
        optimization=Optimization(epochs=20, batch_size=256, lr=5e-4, weight_decay=1e-4, warmup_epochs=2),
    ),
    name="simclr-imagenet-lite0-photographs",
)

Finetuning = Callable[[str, int, int], ClassifierRecipe]  # encoder, seed, number of labels


@dataclass(frozen=True)
class Collection:
    """A data set.

    Attributes:
        name: Its name in claims.
        pixels: Returns the images (num, 3, side, side) at a resolution.
        levels: Category ids on four levels, (num, 4).
        unlabeled: Indices of images for pretraining.
        trainable: Indices of labeled training images.
        evaluation: Indices of labeled test images.
        group_names: Group of each image, (num,).
    """

    name: str
    pixels: Callable[[int], NDArray[np.uint8]]
    levels: NDArray[np.int64]
    unlabeled: NDArray[np.intp]
    trainable: NDArray[np.intp]
    evaluation: NDArray[np.intp]
    group_names: tuple[str, ...]

    def groups(self, rows: NDArray[np.intp]) -> pl.Series:
        """Returns the groups of some images."""
        return pl.Series([self.group_names[row] for row in rows])

    def sample(self, share: float, seed: int) -> NDArray[np.intp]:
        """Draws a share of the labels of every leaf, at least one of each."""
        rng = np.random.default_rng(seed)
        leaves = self.levels[self.trainable, -1]
        parts = [rng.permutation(self.trainable[leaves == leaf]) for leaf in np.unique(leaves)]
        return np.concatenate([part[: max(1, round(share * len(part)))] for part in parts])


def fashion() -> Collection:
    """Returns Fashion-MNIST with its official training and test images."""
    data = load(DATA)
    taxonomy = Taxonomy.read(UPath(REFERENCE / "taxonomy.txt"))
    of_class = np.array([taxonomy.levels(leaf) for leaf in LEAVES])
    train, test = np.arange(NUM_TRAIN), np.arange(NUM_TRAIN, NUM_TRAIN + NUM_TEST)
    labels = np.array([data.label(number) for number in range(NUM_TRAIN + NUM_TEST)])

    def pixels(resolution: int) -> NDArray[np.uint8]:
        return _cached("fashion", resolution, lambda: [render(data.image(number)) for number in range(len(labels))])

    return Collection(
        "Fashion-MNIST", pixels, of_class[labels], train, train, test, tuple(map(str, range(len(labels))))
    )


def photographs() -> Collection:
    """Returns the clothing photographs, split by sender as the catalog splits groups."""
    listed = read_labels(PHOTOGRAPHS)
    taxonomy = Taxonomy.read(UPath(TAXONOMY))
    senders = tuple(each.sender or each.image_id for each in listed)
    splits = np.array([split_of(sender) for sender in senders])
    is_labeled = np.array([each.google_id is not None for each in listed])
    levels = np.array([taxonomy.levels(each.google_id) if each.google_id else (0, 0, 0, 0) for each in listed])

    def pixels(resolution: int) -> NDArray[np.uint8]:
        files = [PHOTOGRAPHS / "images" / f"{each.image_id}.jpg" for each in listed]
        return _cached("photographs", resolution, lambda: [file.read_bytes() for file in files])

    in_training = np.flatnonzero(splits == "train")
    trainable, evaluation = (np.flatnonzero((splits == split) & is_labeled) for split in ("train", "test"))
    return Collection("clothing photographs", pixels, levels, in_training, trainable, evaluation, senders)


def _cached(name: str, resolution: int, read: Callable[[], list[bytes]]) -> NDArray[np.uint8]:
    path = FOLDER / f"{name}-{resolution}px.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}")
        np.save(part, decode_pixels(read(), resolution, num_cores()))
        part.replace(path)
    mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return mapped


def cached_encoder(recipe: EncoderRecipe, collection: Collection, parent: EncoderRecipe | None = None) -> Encoder:
    """Pretrains the encoder of a recipe on the collection's training images, or loads it from an earlier run."""
    if recipe.pretraining is None:
        return build(recipe)
    folder = FOLDER / f"{recipe.name}-{fingerprint(recipe)[:12]}"
    if not (folder / "encoder.json").exists():
        pixels = collection.pixels(recipe.resolution)[collection.unlabeled]
        callbacks = PretrainingCallbacks(
            checkpoint=folder / "checkpoint.pt", checkpoint_every_s=120.0, on_epoch=_printer(recipe.name)
        )
        pretrained = pretrain(recipe, pixels, DEVICE, callbacks, build(parent) if parent else None)
        pretrained.encoder.save(folder, {"device_seconds": pretrained.cost.device_s})
    return Encoder.load(folder)


def _printer(name: str) -> Callable[[Mapping[str, float]], None]:
    def print_metrics(metrics: Mapping[str, float]) -> None:
        speed = f"{metrics['examples_per_s']:.0f} images/s"
        print(f"{name}, epoch {metrics['epoch']:.0f}: loss {metrics['loss']:.3f}, {speed}", flush=True)

    return print_metrics


def correct(
    collection: Collection, encoder: Callable[[], Encoder], finetuning: Finetuning, share: float
) -> NDArray[np.float64]:
    """Fine-tunes once per seed; returns 1 for each correctly predicted leaf, (num_seeds, num_evaluated)."""
    pixels = collection.pixels(encoder().resolution)
    evaluation = pixels[collection.evaluation]
    rows = []
    for seed in SEEDS:
        sample = collection.sample(share, seed)
        examples = Examples(inputs=pixels[sample], labels=collection.levels[sample])
        recipe = finetuning("encoder", seed, len(sample))
        trained = train_classifier(recipe, encoder(), examples, DEVICE)
        best = predict(trained.classifier, evaluation, DEVICE)[-1].ids[:, 0]
        rows.append(best == collection.levels[collection.evaluation, -1])
    return np.array(rows, dtype=np.float64)


def share_finetuning(share: float) -> Finetuning:
    """Returns the fine-tuning of the asset `share_outcomes`."""
    return lambda encoder, seed, num_labels: share_recipe(encoder, share, seed, num_labels)


def slow_encoder(encoder: str, seed: int, _: int) -> ClassifierRecipe:
    """Returns the recipe of `simclr-mnv3-finetune-5pct`, with a lower learning rate for the encoder than for heads."""
    return replace(FINETUNE_5PCT, encoder=encoder, seed=seed)


@dataclass(frozen=True)
class Contest:
    """Two starting weights of one backbone with the same fine-tuning, and the points by which the first has to lead.

    Without a bar, the confidence interval of the first has to be above that of the second.
    """

    subject: str
    collection: Collection
    share: float
    finetuning: Finetuning
    first: Callable[[], Encoder]
    second: Callable[[], Encoder]
    bar: float | None = None

    def claims(self) -> list[Claim]:
        """Returns the lead of the first, with its interval over images and seeds, and both accuracies."""
        scores = [correct(self.collection, start, self.finetuning, self.share) for start in (self.first, self.second)]
        lead, *each = [crossed_estimate(one) for one in (scores[0] - scores[1], *scores)]
        within = f"95 % within {100 * lead.low:.1f} to {100 * lead.high:.1f}, {len(SEEDS)} seeds"
        both = " against ".join(f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in each)
        claim = f"{self.subject}: {both}; lead {within}"
        if self.bar is not None:
            return [at_least(claim, 100 * lead.value, self.bar, "points")]
        gap = 100 * (each[0].low - each[1].high)
        return [
            figure(claim, 100 * lead.value, "points"),
            at_least(f"{self.subject}: gap between intervals", gap, 0.0, "points"),
        ]


def contests() -> list[Contest]:
    """Returns the published comparisons."""
    clothes, photos = fashion(), photographs()
    one_percent, ten_percent = 0.01, 0.1
    few = f"{clothes.name}, 600 labels, official test set"
    return [
        Contest(
            f"{few}, SimCLR over random weights, mobilenetv3_small_050, encoder slower than heads",
            clothes,
            one_percent,
            slow_encoder,
            lambda: cached_encoder(SIMCLR_MNV3, clothes),
            lambda: build(RANDOM_MNV3),
            MIN_OVER_RANDOM,
        ),
        Contest(
            f"{few}, the same at one learning rate, which is best for random weights",
            clothes,
            one_percent,
            share_finetuning(one_percent),
            lambda: cached_encoder(SIMCLR_MNV3, clothes),
            lambda: build(RANDOM_MNV3),
            MIN_OVER_RANDOM,
        ),
        Contest(
            f"{few}, SimCLR from ImageNet over ImageNet, lite0 at 48 px",
            clothes,
            one_percent,
            share_finetuning(one_percent),
            lambda: cached_encoder(SIMCLR_LITE0, clothes, LITE0),
            lambda: build(LITE0),
            MIN_OVER_IMAGENET,
        ),
        Contest(
            f"{photos.name}, 10 % of the labels, test senders, SimCLR from ImageNet over ImageNet, lite0 at 64 px",
            photos,
            ten_percent,
            share_finetuning(ten_percent),
            lambda: cached_encoder(SIMCLR_LITE0_PHOTOGRAPHS, photos, IMAGENET_LITE0),
            lambda: build(IMAGENET_LITE0),
        ),
    ]


def main() -> None:
    """Pretrains missing encoders, fine-tunes, and publishes."""
    torch.set_num_threads(num_cores())
    claims = []
    for contest in contests():
        claims += contest.claims()
        print(claims[-1].claim, f"{claims[-1].ours:.1f}", flush=True)
    publish("starting_weights", claims)


if __name__ == "__main__":
    main()
