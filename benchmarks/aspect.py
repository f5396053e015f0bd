"""Aspect: `crop`, `pad` and `squash` of photographs that are not square, by logistic regression on a frozen encoder.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_GROCERIES=FOLDER make bench NAME=aspect

Eight minutes on one core. Images have the size at which a store has them by default. No test image is used. Clothing:
training and validation senders are predicted out of fold, in five folds by sender, since a sender's photographs are
near-duplicates. Groceries: fitted on the training images and evaluated on the validation images; almost all are square.
Each fit has its best weight decay. Intervals resample senders, or images of groceries.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims import Claim, at_least, figure, publish
from benchmarks.photo_sets import PhotoSet, clothes, groceries
from benchmarks.starting_weights import DEVICE
from catalog.evaluation.bootstrap import interval, resampled_counts
from catalog.storage.cores import num_cores
from ml.embeddings.probes import fit_linear_probes
from ml.encoders.encoder import build, embed
from ml.pixels import Pixels, decode_pixels
from ml.recipe_types import Fit
from ml.recipes import IMAGENET_LITE0
from ml.vectors import LabeledEmbeddings

ENCODER = replace(IMAGENET_LITE0, name="imagenet-lite0-224", resolution=224)
DEFAULT = ENCODER.fit
FITS: tuple[Fit, ...] = get_args(Fit)
WEIGHT_DECAYS = (1.0, 0.3, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
NUM_FOLDS = 5

Folds = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]  # training rows and held-out rows


def main() -> None:
    """Embeds, fits, evaluates and publishes."""
    torch.set_num_threads(num_cores())
    clothing, grocery = clothes(), groceries()
    claims = [
        *claims_of(clothing, folds_by_group(clothing)),
        *claims_of(grocery, [(grocery.rows("train"), grocery.rows("val"))]),
    ]
    publish("aspect", claims)


def folds_by_group(photos: PhotoSet) -> Folds:
    """Returns folds over all photographs; a group lies in one fold."""
    folds = (np.random.default_rng(0).permutation(photos.groups.max() + 1) % NUM_FOLDS)[photos.groups]
    return [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(NUM_FOLDS)]


def claims_of(photos: PhotoSet, folds: Folds) -> list[Claim]:
    """Returns the accuracy of each fit, and the lead of the default over the others, paired by image."""
    pixels = {fit: decode_pixels(photos.images, ENCODER.resolution, num_cores(), fit=fit) for fit in FITS}
    is_square = np.all([(pixels[DEFAULT] == pixels[fit]).all(axis=(1, 2, 3)) for fit in FITS], axis=0)
    of_default = embedded(pixels[DEFAULT])
    right = {DEFAULT: best_right(photos, of_default, folds)}
    for fit in (fit for fit in FITS if fit != DEFAULT):
        vectors = of_default.copy()
        vectors[~is_square] = embedded(pixels[fit][~is_square])
        right[fit] = best_right(photos, vectors, folds)
    groups = photos.groups[np.concatenate([held_out for _, held_out in folds])]
    share = float(1 - is_square.mean())
    subject = (
        f"{photos.name}, {share:.0%} not square, {len(groups):,} held out, frozen lite0 at {ENCODER.resolution} px"
    )
    claims = [
        figure(f"{subject}, `{fit}`: top-1 ({_within(of_fit, groups)})", float(of_fit.mean()), "")
        for fit, of_fit in right.items()
    ]
    for other in (fit for fit in right if fit != DEFAULT):
        lead = 100 * (right[DEFAULT] - right[other])
        claim = f"{subject}: lead of the default, `{DEFAULT}`, over `{other}` ({_within(lead, groups, digits=1)})"
        claims.append(at_least(claim, float(lead.mean()), 0.0, "points"))
    return claims


def embedded(pixels: Pixels) -> NDArray[np.float32]:
    """Returns the embeddings (num, dim) of pixels."""
    return embed(build(ENCODER), pixels, DEVICE)


def best_right(photos: PhotoSet, vectors: NDArray[np.float32], folds: Folds) -> NDArray[np.float64]:
    """Returns 1 for each held-out photograph that is predicted right, (num,), with the best weight decay."""
    by_decay: list[list[NDArray[np.bool_]]] = [[] for _ in WEIGHT_DECAYS]
    for training, held_out in folds:
        labeled = LabeledEmbeddings(vectors[training], photos.leaves[training])
        for number, probe in enumerate(fit_linear_probes(labeled, WEIGHT_DECAYS, DEVICE)):
            by_decay[number].append(probe.predict(vectors[held_out]) == photos.leaves[held_out])
    best = max((np.concatenate(each) for each in by_decay), key=lambda each: float(each.mean()))
    return best.astype(np.float64)


def _within(values: NDArray[np.float64], groups: NDArray[np.int64], digits: int = 3) -> str:
    """The 95 % interval of a mean over images whose groups are resampled."""
    _, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, values), np.bincount(group).astype(np.float64)
    means = [(counts @ sums) / (counts @ sizes) for counts in resampled_counts(len(sums))]
    low, high = interval(np.concatenate(means))
    return f"95 % within {low:.{digits}f} to {high:.{digits}f}"


if __name__ == "__main__":
    main()
