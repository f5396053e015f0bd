"""Block sums: counts of a level's predictions by block of products, from which scores and intervals are computed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from catalog.evaluation.level_predictions import LabeledPredictions

Floats = NDArray[np.float64]

NUM_BINS = 15  # of confidence, equally wide (Guo et al. 2017, arXiv:1706.04599)


@dataclass(frozen=True, kw_only=True)
class BlockSums:
    """Counts of b blocks of products: samples, samples by class (c), and samples by bin of confidence (k).

    Counts are additive, so the sums of a resample of blocks are one matrix product, without a loop over samples.
    """

    num: Floats  # (b,)
    num_in_top5: Floats  # (b,)
    distance: Floats  # (b,): total edges between label and prediction; 0 without a taxonomy
    num_true: Floats  # (b, c)
    num_predicted: Floats  # (b, c)
    num_hits: Floats  # (b, c)
    num_in_bin: Floats  # (b, k)
    hits_in_bin: Floats  # (b, k)
    confidence_in_bin: Floats  # (b, k)

    def resampled(self, counts: Floats) -> BlockSums:
        """Returns the sums of r resamples; `counts`, (r, b), is how often each resample draws each block."""
        return BlockSums(**{each.name: counts @ getattr(self, each.name) for each in fields(self)})


def block_sums(
    predictions: LabeledPredictions, blocks: NDArray[np.int64], distances: NDArray[np.uint8] | None = None
) -> BlockSums:
    """Sums a level's samples by block.

    Args:
        predictions: n samples of c classes.
        blocks: the block of each sample, (n,).
        distances: edges between the classes, (c, c), in the order of `predictions.classes`.
    """
    num_blocks, num_classes = int(blocks.max()) + 1, len(predictions.classes)
    missed = np.flatnonzero(~predictions.hits)

    def by_block(chosen: NDArray[np.bool_]) -> Floats:
        return np.bincount(blocks[chosen], minlength=num_blocks).astype(np.float64)

    def by_class(classes: NDArray[np.int64], chosen: slice | NDArray[np.int64] = slice(None)) -> Floats:
        return sums_by_class(blocks[chosen], classes[chosen], num_blocks, num_classes)

    num_true = by_class(predictions.true)
    num_hits = num_true - by_class(predictions.true, missed)
    distance = np.zeros(num_blocks)
    if distances is not None:
        steps = distances[predictions.true[missed], predictions.predicted[missed]]
        distance = np.bincount(blocks[missed], steps, minlength=num_blocks).astype(np.float64)
    bins = np.minimum((predictions.confidences * NUM_BINS).astype(np.int64), NUM_BINS - 1) + blocks * NUM_BINS

    def by_bin(weights: NDArray[np.float32] | NDArray[np.bool_] | None = None) -> Floats:
        sums = np.bincount(bins, weights, minlength=num_blocks * NUM_BINS)
        return sums.reshape(num_blocks, NUM_BINS).astype(np.float64)

    return BlockSums(
        num=np.bincount(blocks, minlength=num_blocks).astype(np.float64),
        num_in_top5=by_block(predictions.in_top5),
        distance=distance,
        num_true=num_true,
        num_predicted=num_hits + by_class(predictions.predicted, missed),
        num_hits=num_hits,
        num_in_bin=by_bin(),
        hits_in_bin=by_bin(predictions.hits),
        confidence_in_bin=by_bin(predictions.confidences),
    )


def sums_by_class(blocks: NDArray[np.int64], classes: NDArray[np.int64], num_blocks: int, num_classes: int) -> Floats:
    """Counts the samples of each block and class, (b, c), from the samples' blocks and classes, (n,)."""
    sums = np.bincount(blocks * num_classes + classes, minlength=num_blocks * num_classes)
    return sums.reshape(num_blocks, num_classes).astype(np.float64)
