"""Distillation: a light student learns a teacher's predictions (Hinton et al. 2015, arXiv:1503.02531).

A teacher's predictions are its log-probabilities of every class on every level. They need no labels, so a student also
learns from unlabeled images. They are computed once, from the images without augmentation.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Hierarchy
from ml.memory import keep_freed_memory
from ml.pixels import PixelsLike

Features = NDArray[np.float32]  # a teacher's embeddings (num_images, dim), its members' side by side
LevelLogProbabilities = tuple[NDArray[np.float16], ...]  # log-probabilities, num_levels x (num_images, num_classes)

BATCH = 64
IMPOSSIBLE = -60.0  # a log-probability that stays negligible at any temperature in use


def teacher_log_probabilities(
    teacher: Classifier,
    inputs: PixelsLike,
    device: torch.device,
    on_progress: Callable[[int, int], None] | None = None,
) -> LevelLogProbabilities:
    """Return a teacher's log-probabilities, num_levels x (num, num_classes), float16.

    Args:
        teacher: any classifier.
        inputs: images (num, 3, h, w) at its encoder's resolution, or its encoder's embeddings (num, dim).
        device: where to compute.
        on_progress: called after each batch with the number of images done and of all images.
    """
    keep_freed_memory()
    teacher.to(device).eval()
    log_probabilities = tuple(np.empty((len(inputs), num), dtype=np.float16) for num in teacher.hierarchy.num_classes)
    with torch.inference_mode():
        for start in range(0, len(inputs), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + BATCH])).to(device)
            for level, own in zip(log_probabilities, teacher.log_probabilities(batch), strict=True):
                level[start : start + len(batch)] = own.clamp(min=IMPOSSIBLE).cpu().numpy()
            if on_progress is not None:
                on_progress(start + len(batch), len(inputs))
    return log_probabilities


def save_log_probabilities(path: Path, log_probabilities: LevelLogProbabilities) -> None:
    """Write a teacher's log-probabilities to a file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    np.savez(part, *log_probabilities)
    part.replace(path)


def load_log_probabilities(path: Path) -> LevelLogProbabilities:
    """Read what `save_log_probabilities` wrote."""
    with np.load(path) as arrays:
        return tuple(arrays[name] for name in arrays.files)


def over_student_classes(
    student: Hierarchy, teacher: Hierarchy, predictions: LevelLogProbabilities
) -> LevelLogProbabilities:
    """Return a teacher's log-probabilities over the classes of a student.

    Classes that only the teacher knows are dropped; those that only the student knows are `IMPOSSIBLE`.

    Raises:
        ValueError: they have no class in common on some level; the message names it.
    """
    mapped = []
    for level, (ids, known, log_probabilities) in enumerate(
        zip(student.ids, teacher.ids, predictions, strict=True), start=1
    ):
        position_of = {id_: position for position, id_ in enumerate(known)}
        shared = [(mine, position_of[id_]) for mine, id_ in enumerate(ids) if id_ in position_of]
        if not shared:
            raise ValueError(f"teacher and student share no classes of level {level}; train them on the same labels")
        mine, theirs = (list(each) for each in zip(*shared, strict=True))
        own = np.full((len(log_probabilities), len(ids)), IMPOSSIBLE, dtype=np.float16)
        own[:, mine] = log_probabilities[:, theirs]
        mapped.append(own)
    return tuple(mapped)


def soft_loss(
    logits: Sequence[Tensor], targets: Sequence[Tensor], temperature: float, depth_weights: Sequence[float]
) -> Tensor:
    """Return T^2 KL(teacher || student) at temperature T, the batch mean, summed over levels by `depth_weights`.

    T^2 keeps the size of the gradient when T changes (section 2 of the paper).

    Args:
        logits: the student's, num_levels x (batch, num_classes).
        targets: the teacher's logits or log-probabilities, num_levels x (batch, num_classes).
        temperature: T.
        depth_weights: one weight per level.
    """
    loss = logits[0].new_zeros(())
    for own, theirs, weight in zip(logits, targets, depth_weights, strict=True):
        student = F.log_softmax(own.float() / temperature, dim=1)
        teacher = F.log_softmax(theirs.float() / temperature, dim=1)
        loss = loss + weight * temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return loss


def similarity_loss(embeddings: Tensor, features: Tensor) -> Tensor:
    """Return the similarity-preserving loss of a batch (Tung and Mori 2019, arXiv:1907.09682, equation 4).

    The rows of both matrices of inner products within the batch are normalized; the loss is their mean squared
    difference.

    Args:
        embeddings: the student's, (batch, dim).
        features: the teacher's, (batch, another dim).
    """
    own, theirs = (F.normalize(each @ each.T, dim=1) for each in (embeddings.float(), features.float()))
    return (own - theirs).square().mean()
