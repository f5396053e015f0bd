"""Starting weights: what pretraining without labels is worth beside random and ImageNet weights, on few labels.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_TAXONOMY=FILE make bench NAME=starting_weights

Hours on two cores. What is pretrained is kept below `.bench/starting-weights`, and a run that was cut off goes on.
Pretraining sees no test picture and no label; recipes were chosen on validation pictures.
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
from catalog.data_efficiency import crossed_estimate
from catalog.splits import split_of
from catalog.taxonomy import Taxonomy
from demo.clothing import read_labels
from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, load, render
from demo.partners import LEAVES, REFERENCE
from demo.place import DATA
from ml.classifiers.predicting import predict
from ml.encoders import Encoder, build
from ml.pixels import decode_pixels
from ml.recipe_types import ClassifierRecipe, EncoderRecipe, Optimisation, fingerprint
from ml.recipes import FINETUNE_5PCT, IMAGENET_LITE0, RANDOM_MNV3, SEEDS, SIMCLR_MNV3, pretrained_by, share_recipe
from ml.training.classification import Examples
from ml.training.finetuning import train_classifier
from ml.training.pretraining import Watch, pretrain
from resources.compute import num_cores

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
PHOTOGRAPHS = Path(os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(SHARED / "clothing")))
TAXONOMY = os.environ.get("SHELFSIGHT_TAXONOMY", str(SHARED / "google_taxonomy" / "taxonomy-with-ids.en-US.txt"))
PLACE = BENCH / "starting-weights"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MIN_OVER_RANDOM, MIN_OVER_IMAGENET = 13.0, 8.0  # points

LITE0 = replace(IMAGENET_LITE0, name="imagenet-lite0-48", resolution=48)
SIMCLR_LITE0 = pretrained_by(
    "simclr",
    LITE0,
    options={"temperature": 0.1},
    optimisation=Optimisation(epochs=5, batch_size=256, lr=1e-3, weight_decay=1e-4),
)
# Fewer pictures, so more epochs; colours tell clothes apart, so they are jittered less.
SIMCLR_LITE0_PHOTOGRAPHS = replace(
    pretrained_by(
        "simclr",
        IMAGENET_LITE0,
        options={"temperature": 0.1},
        optimisation=Optimisation(epochs=20, batch_size=256, lr=5e-4, weight_decay=1e-4, warmup_epochs=2),
    ),
    name="simclr-imagenet-lite0-photographs",
)

Finetuning = Callable[[str, int, int], ClassifierRecipe]  # encoder, seed, number of labels


@dataclass(frozen=True)
class Collection:
    """Pictures, their categories on four levels, (n, 4), and which of them train and which judge, (num,)."""

    name: str
    pixels: Callable[[int], NDArray[np.uint8]]
    levels: NDArray[np.int64]
    unlabelled: NDArray[np.intp]  # may be learned from, labelled or not
    trainable: NDArray[np.intp]
    judging: NDArray[np.intp]
    group_names: tuple[str, ...]  # (n,), of pictures that belong together

    def groups(self, rows: NDArray[np.intp]) -> pl.Series:
        """The groups of some pictures."""
        return pl.Series([self.group_names[row] for row in rows])

    def drawn(self, share: float, seed: int) -> NDArray[np.intp]:
        """A share of the labels of every leaf, at least one of each, drawn by the seed."""
        rng = np.random.default_rng(seed)
        leaves = self.levels[self.trainable, -1]
        parts = [rng.permutation(self.trainable[leaves == leaf]) for leaf in np.unique(leaves)]
        return np.concatenate([part[: max(1, round(share * len(part)))] for part in parts])


def fashion() -> Collection:
    """Fashion-MNIST: the official training pictures, and the official test set to judge by."""
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
    """The clothing photographs, split by sender as the catalogue splits groups."""
    listed = read_labels(PHOTOGRAPHS)
    taxonomy = Taxonomy.read(UPath(TAXONOMY))
    senders = tuple(each.sender or each.picture_id for each in listed)
    splits = np.array([split_of(sender) for sender in senders])
    is_labelled = np.array([each.google_id is not None for each in listed])
    levels = np.array([taxonomy.levels(each.google_id) if each.google_id else (0, 0, 0, 0) for each in listed])

    def pixels(resolution: int) -> NDArray[np.uint8]:
        files = [PHOTOGRAPHS / "images" / f"{each.picture_id}.jpg" for each in listed]
        return _cached("photographs", resolution, lambda: [file.read_bytes() for file in files])

    in_training = np.flatnonzero(splits == "train")
    trainable, judging = (np.flatnonzero((splits == split) & is_labelled) for split in ("train", "test"))
    return Collection("clothing photographs", pixels, levels, in_training, trainable, judging, senders)


def _cached(name: str, resolution: int, read: Callable[[], list[bytes]]) -> NDArray[np.uint8]:
    path = PLACE / f"{name}-{resolution}px.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}")
        np.save(part, decode_pixels(read(), resolution, num_cores()))
        part.replace(path)
    mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return mapped


def made(recipe: EncoderRecipe, collection: Collection, parent: EncoderRecipe | None = None) -> Encoder:
    """The encoder of a recipe, pretrained on the collection's training pictures, or as an earlier run left it."""
    if recipe.pretraining is None:
        return build(recipe)
    folder = PLACE / f"{recipe.name}-{fingerprint(recipe)[:12]}"
    if not (folder / "encoder.json").exists():
        pixels = collection.pixels(recipe.resolution)[collection.unlabelled]
        watch = Watch(checkpoint=folder / "checkpoint.pt", checkpoint_every_s=120.0, on_epoch=_tell(recipe.name))
        pretrained = pretrain(recipe, pixels, DEVICE, watch, build(parent) if parent else None)
        pretrained.encoder.save(folder, {"device_seconds": pretrained.cost.device_s})
    return Encoder.load(folder)


def _tell(name: str) -> Callable[[Mapping[str, float]], None]:
    def tell(figures: Mapping[str, float]) -> None:
        told = f"{figures['loss']:.3f}, {figures['examples_per_s']:.0f} pictures/s"
        print(f"{name}, epoch {figures['epoch']:.0f}: loss {told}", flush=True)

    return tell


def right(
    collection: Collection, encoder: Callable[[], Encoder], finetuning: Finetuning, share: float
) -> NDArray[np.float64]:
    """1 where a fine-tuned encoder tells a judging picture's leaf, (num_seeds, num_judging)."""
    pixels = collection.pixels(encoder().resolution)
    judging = pixels[collection.judging]
    rows = []
    for seed in SEEDS:
        drawn = collection.drawn(share, seed)
        examples = Examples(inputs=pixels[drawn], labels=collection.levels[drawn])
        recipe = finetuning("encoder", seed, len(drawn))
        trained = train_classifier(recipe, encoder(), examples, DEVICE)
        best = predict(trained.classifier, judging, DEVICE)[-1].ids[:, 0]
        rows.append(best == collection.levels[collection.judging, -1])
    return np.array(rows, dtype=np.float64)


def by_shares(share: float) -> Finetuning:
    """As the asset `share_outcomes` fine-tunes."""
    return lambda encoder, seed, num_labels: share_recipe(encoder, share, seed, num_labels)


def slow_encoder(encoder: str, seed: int, _: int) -> ClassifierRecipe:
    """As `simclr-mnv3-finetune-5pct` and `random-mnv3-finetune-5pct` do: the encoder learns slower than its heads."""
    return replace(FINETUNE_5PCT, encoder=encoder, seed=seed)


@dataclass(frozen=True)
class Contest:
    """Two starts of one backbone under one fine-tuning, and by how many points the first is to lead.

    Without a bar the intervals of both are to have nothing in common, the first above the second.
    """

    what: str
    collection: Collection
    share: float
    finetuning: Finetuning
    first: Callable[[], Encoder]
    second: Callable[[], Encoder]
    bar: float | None = None

    def claims(self) -> list[Claim]:
        """The lead of the first, picture by picture and seed by seed, and how both do."""
        scores = [right(self.collection, start, self.finetuning, self.share) for start in (self.first, self.second)]
        lead, *each = [crossed_estimate(one) for one in (scores[0] - scores[1], *scores)]
        within = f"95 % within {100 * lead.low:.1f} to {100 * lead.high:.1f}, {len(SEEDS)} seeds"
        both = " against ".join(f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in each)
        claim = f"{self.what}: {both}; lead {within}"
        if self.bar is not None:
            return [at_least(claim, 100 * lead.value, self.bar, "points")]
        gap = 100 * (each[0].low - each[1].high)
        return [
            figure(claim, 100 * lead.value, "points"),
            at_least(f"{self.what}: gap between intervals", gap, 0.0, "points"),
        ]


def contests() -> list[Contest]:
    """What the README's table shows of starting weights."""
    clothes, photos = fashion(), photographs()
    one_percent, ten_percent = 0.01, 0.1
    few = f"{clothes.name}, 600 labels, official test set"
    return [
        Contest(
            f"{few}, SimCLR over random weights, mobilenetv3_small_050, encoder slower than heads",
            clothes,
            one_percent,
            slow_encoder,
            lambda: made(SIMCLR_MNV3, clothes),
            lambda: build(RANDOM_MNV3),
            MIN_OVER_RANDOM,
        ),
        Contest(
            f"{few}, the same as fast as heads, which suits random weights best",
            clothes,
            one_percent,
            by_shares(one_percent),
            lambda: made(SIMCLR_MNV3, clothes),
            lambda: build(RANDOM_MNV3),
            MIN_OVER_RANDOM,
        ),
        Contest(
            f"{few}, SimCLR from ImageNet over ImageNet, lite0 at 48 px",
            clothes,
            one_percent,
            by_shares(one_percent),
            lambda: made(SIMCLR_LITE0, clothes, LITE0),
            lambda: build(LITE0),
            MIN_OVER_IMAGENET,
        ),
        Contest(
            f"{photos.name}, 10 % of the labels, test senders, SimCLR from ImageNet over ImageNet, lite0 at 64 px",
            photos,
            ten_percent,
            by_shares(ten_percent),
            lambda: made(SIMCLR_LITE0_PHOTOGRAPHS, photos, IMAGENET_LITE0),
            lambda: build(IMAGENET_LITE0),
        ),
    ]


def main() -> None:
    """Pretrain what is missing, fine-tune, publish."""
    torch.set_num_threads(num_cores())
    claims = []
    for contest in contests():
        claims += contest.claims()
        print(claims[-1].claim, f"{claims[-1].ours:.1f}", flush=True)
    publish("starting_weights", claims)


if __name__ == "__main__":
    main()
