"""Distillation: a light student learns what a teacher answers (Hinton et al. 2015, arXiv:1503.02531).

A teacher's answers are its log-probabilities of every class on every level. They need no label, so a student also
learns from pictures that have none; and they are made once, of the pictures as they are, however often a student looks.
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
from ml.pixels import PixelRows

Features = NDArray[np.float32]  # a teacher's embeddings (num_pictures, dim), its members' side by side
Answers = tuple[NDArray[np.float16], ...]  # log-probabilities, num_levels x (num_pictures, num_classes)

BATCH = 64
IMPOSSIBLE = -60.0  # a log-probability that no temperature in use brings back


def answers(
    teacher: Classifier,
    inputs: PixelRows,
    device: torch.device,
    on_progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """What a teacher says of pictures (n, 3, h, w) at its encoder's resolution, or of its encoder's embeddings.

    `on_progress` is called after each batch with the number of pictures done and the number of all.
    """
    keep_freed_memory()
    teacher.to(device).eval()
    said = tuple(np.empty((len(inputs), num), dtype=np.float16) for num in teacher.hierarchy.num_classes)
    with torch.inference_mode():
        for start in range(0, len(inputs), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + BATCH])).to(device)
            for level, own in zip(said, teacher.log_probabilities(batch), strict=True):
                level[start : start + len(batch)] = own.clamp(min=IMPOSSIBLE).cpu().numpy()
            if on_progress is not None:
                on_progress(start + len(batch), len(inputs))
    return said


def save_answers(path: Path, said: Answers) -> None:
    """Write a teacher's answers to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    np.savez(part, *said)
    part.replace(path)


def load_answers(path: Path) -> Answers:
    """The answers in a file."""
    with np.load(path) as held:
        return tuple(held[name] for name in held.files)


def as_seen_by(student: Hierarchy, teacher: Hierarchy, said: Answers) -> Answers:
    """A teacher's answers over the classes of a student: what only the teacher knows is dropped, as if ruled out.

    Raises:
        ValueError: they share no class on some level; the message names it.
    """
    seen = []
    for level, (ids, known, log_probabilities) in enumerate(zip(student.ids, teacher.ids, said, strict=True), start=1):
        place = {id_: position for position, id_ in enumerate(known)}
        shared = [(mine, place[id_]) for mine, id_ in enumerate(ids) if id_ in place]
        if not shared:
            raise ValueError(f"teacher and student share no class of level {level}; train them on the same labels")
        mine, theirs = (list(each) for each in zip(*shared, strict=True))
        own = np.full((len(log_probabilities), len(ids)), IMPOSSIBLE, dtype=np.float16)
        own[:, mine] = log_probabilities[:, theirs]
        seen.append(own)
    return tuple(seen)


def soft_loss(
    logits: Sequence[Tensor], said: Sequence[Tensor], temperature: float, depth_weights: Sequence[float]
) -> Tensor:
    """How far a student's answers are from its teacher's: T^2 KL(teacher || student) at temperature T, batch mean.

    Both are num_levels x (batch, num_classes), logits or log-probabilities; the levels' sum is weighted by
    `depth_weights`. T^2 keeps the gradient's size when T changes (section 2 of the paper).
    """
    loss = logits[0].new_zeros(())
    for own, theirs, weight in zip(logits, said, depth_weights, strict=True):
        student = F.log_softmax(own.float() / temperature, dim=1)
        teacher = F.log_softmax(theirs.float() / temperature, dim=1)
        loss = loss + weight * temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return loss


def similarity_loss(embeddings: Tensor, features: Tensor) -> Tensor:
    """How unlike a student and its teacher hold the pictures of a batch for alike: equation 4 of Tung and Mori 2019.

    Embeddings (batch, dim) of both, whose dimensions may differ: rows of the matrices of products within the batch are
    brought to length 1, and their squared differences averaged over all pairs.
    """
    own, theirs = (F.normalize(each @ each.T, dim=1) for each in (embeddings.float(), features.float()))
    return (own - theirs).square().mean()
