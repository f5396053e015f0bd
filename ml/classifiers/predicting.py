"""Predicting: a classifier's best classes and their probabilities, on every level."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Ids
from ml.memory import keep_freed_memory

TOP_K = 5


@dataclass(frozen=True, kw_only=True)
class LevelPrediction:
    """One level's best classes, best first: ids and probabilities, (num_examples, min(5, num_classes))."""

    ids: Ids
    probabilities: NDArray[np.float32]


def predict(
    classifier: Classifier,
    inputs: NDArray[np.uint8] | NDArray[np.float32],
    device: torch.device,
    batch_size: int = 256,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[LevelPrediction, ...]:
    """Predictions of every level, root first, for pixels (n, 3, h, w) or its encoder's embeddings (n, dim).

    `on_progress` is called after each batch with the number of examples done and the number of all.

    Raises:
        ValueError: there is nothing to predict.
    """
    if len(inputs) == 0:
        raise ValueError(f"there is nothing to predict: the inputs have the shape {inputs.shape}")
    keep_freed_memory()
    classifier.to(device).eval()
    best: list[list[torch.return_types.topk]] = []  # num_batches x num_levels
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + batch_size])).to(device)
            best.append([_best(level) for level in classifier(batch)])
            if on_progress is not None:
                on_progress(start + len(batch), len(inputs))
    return tuple(
        LevelPrediction(
            ids=classifier.hierarchy.decode(level, torch.cat([top.indices for top in parts]).numpy()),
            probabilities=torch.cat([top.values for top in parts]).numpy(),
        )
        for level, parts in enumerate(zip(*best, strict=True))
    )


def _best(logits: Tensor) -> torch.return_types.topk:
    top = logits.softmax(dim=1).topk(min(TOP_K, logits.shape[1]), dim=1)
    return torch.return_types.topk((top.values.cpu(), top.indices.cpu()))
