"""Predicts a classifier's best classes and their probabilities on every level.

The best class of a level is the ancestor of the best leaf for all heads, since a product has one path. The others
follow in the order of their probability.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Hierarchy, Ids
from ml.encoders.encoder import forward_batch_size
from ml.memory import keep_freed_memory

TOP_K = 5
MAX_EMBEDDINGS = 256  # of a forward pass through the heads alone


@dataclass(frozen=True, kw_only=True)
class LevelPrediction:
    """One level's best classes, best first: ids and probabilities, (num_examples, min(5, num_classes))."""

    ids: Ids
    probabilities: NDArray[np.float32]


def predict(
    classifier: Classifier,
    inputs: NDArray[np.uint8] | NDArray[np.float32],
    device: torch.device,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[LevelPrediction, ...]:
    """Return the predictions of every level, root first.

    Args:
        classifier: moved to the device.
        inputs: pixels (num, 3, h, w), uint8, or its encoder's embeddings (num, dim), float32.
        device: where to compute.
        batch_size: examples per batch; None lets `forward_batch_size` choose for images.
        on_progress: called after each batch with the number of examples done and of all examples.

    Raises:
        ValueError: there is nothing to predict.
    """
    if len(inputs) == 0:
        raise ValueError(f"there is nothing to predict: the inputs have the shape {inputs.shape}")
    keep_freed_memory()
    classifier.to(device).eval()
    if batch_size is None:
        batch_size = forward_batch_size(device, *inputs.shape[2:]) if inputs.ndim == 4 else MAX_EMBEDDINGS
    paths = classifier.heads.levels.paths
    best: list[list[torch.return_types.topk]] = []  # num_batches x num_levels
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + batch_size])).to(device)
            levels = [level.exp() for level in classifier.log_probabilities(batch)]
            chosen = paths[levels[-1].argmax(dim=1)]  # (batch, num_levels)
            best.append([_best(level, first) for level, first in zip(levels, chosen.T, strict=True)])
            if on_progress is not None:
                on_progress(start + len(batch), len(inputs))
    return tuple(
        LevelPrediction(
            ids=classifier.hierarchy.decode(level, torch.cat([top.indices for top in parts]).numpy()),
            probabilities=torch.cat([top.values for top in parts]).numpy(),
        )
        for level, parts in enumerate(zip(*best, strict=True))
    )


def rank_classes(hierarchy: Hierarchy, probabilities: Sequence[NDArray[np.float32]]) -> tuple[LevelPrediction, ...]:
    """Return the predictions for given probabilities, num_levels x (num_examples, num_classes), as `predict` does."""
    chosen = hierarchy.paths[probabilities[-1].argmax(axis=1)]  # (num_examples, num_levels)
    best = [
        _best(torch.from_numpy(level), torch.from_numpy(np.ascontiguousarray(first)))
        for level, first in zip(probabilities, chosen.T, strict=True)
    ]
    return tuple(
        LevelPrediction(ids=hierarchy.decode(level, top.indices.numpy()), probabilities=top.values.numpy())
        for level, top in enumerate(best)
    )


def _best(probabilities: Tensor, first: Tensor) -> torch.return_types.topk:
    """The best classes of a level; that of `first`, (batch,), comes before all others."""
    ranks = probabilities.scatter_add(1, first[:, None], torch.ones_like(first[:, None], dtype=probabilities.dtype))
    indices = ranks.topk(min(TOP_K, ranks.shape[1]), dim=1).indices
    return torch.return_types.topk((probabilities.gather(1, indices).cpu(), indices.cpu()))
