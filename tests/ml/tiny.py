"""Tiny images and recipes, so that a training takes a second."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ml.recipe_types import DEFAULT_EXECUTION, Augmentation, ClassifierRecipe, EncoderRecipe, Optimization, Pretraining

RESOLUTION = 32
TINY_ENCODER = EncoderRecipe(name="tiny", backbone="test_efficientnet", weights="random", resolution=RESOLUTION)
TINY_SIMCLR = replace(
    TINY_ENCODER,
    pretraining=Pretraining(
        method="simclr",
        optimization=Optimization(epochs=3, batch_size=16, lr=1e-3),
        options={"hidden_dim": 32, "projection_dim": 16},
        execution=DEFAULT_EXECUTION,
    ),
)
TINY_FINETUNE = ClassifierRecipe(
    name="tiny-finetune",
    encoder="tiny",
    mode="finetune",
    optimization=Optimization(epochs=4, batch_size=16, lr=3e-3),
    projector_dim=16,
    predictor_dim=8,
    augmentation=Augmentation(crop_scale=(0.8, 1.0)),
)


def striped(num: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noisy images (num, 3, 32, 32) of four kinds, easy to tell apart, and their four levels of ids."""
    rng = np.random.default_rng(seed)
    kind = np.arange(num) % 4
    line = np.arange(RESOLUTION)
    stripes = np.where((line // 4) % 2 == 0, 60.0, 190.0)
    across, along = np.broadcast_arrays(stripes[None, :], stripes[:, None])
    base = np.stack([across, along, np.full_like(across, 60.0), np.full_like(across, 190.0)])[kind]
    noisy = base[:, None] + rng.normal(0, 25, (num, 3, RESOLUTION, RESOLUTION))
    labels = np.stack([np.full(num, 1), 10 + kind // 2, 100 + kind, 1000 + kind], axis=1)
    return noisy.clip(0, 255).astype(np.uint8), labels.astype(np.int64)
