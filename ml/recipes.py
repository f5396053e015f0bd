"""Presets: the complete, named configuration of every encoder, classifier and ensemble that ships with this project.

A project's recipes extend them (`resources.recipes`). Those of the demo are also the recipes where there is no project,
and their names then are the partition keys. This module does not import PyTorch.
"""

from dataclasses import replace
from typing import Any

from ml.gpu_recipes import GPU_CLASSIFIERS, GPU_ENCODERS
from ml.recipe_types import (
    AttributeRecipe,
    Augmentation,
    ClassifierRecipe,
    Distillation,
    EncoderRecipe,
    EnsembleRecipe,
    FixMatch,
    LocalViews,
    Mixing,
    Optimization,
    Pretraining,
)

IMAGENET_LITE0 = EncoderRecipe(
    name="imagenet-lite0", backbone="tf_efficientnet_lite0", weights="imagenet", resolution=64
)
RANDOM_LITE0 = replace(IMAGENET_LITE0, name="random-lite0", weights="random")
RANDOM_MNV3 = EncoderRecipe(name="random-mnv3", backbone="mobilenetv3_small_050", weights="random", resolution=48)
PHOTO_CPU_ENCODER = replace(IMAGENET_LITE0, name="photo-cpu", resolution=224)
SIMCLR_MNV3 = replace(
    RANDOM_MNV3,
    name="simclr-mnv3",
    pretraining=Pretraining(
        method="simclr",
        optimization=Optimization(epochs=12, batch_size=256, lr=4e-3, weight_decay=1e-4),
        # Crops keep the aspect ratio, because a product's outline identifies it.
        augmentation=Augmentation(crop_scale=(0.3, 1.0), crop_ratio=(0.9, 1.1), brightness=0.8, contrast=0.8),
        options={"temperature": 0.1},
    ),
)


def pretrained_by(method: str, start: EncoderRecipe = RANDOM_MNV3, **changes: Any) -> EncoderRecipe:
    """Derives a recipe from `SIMCLR_MNV3` for another method or other starting weights.

    Args:
        method: A name in `ml.methods.METHODS`.
        start: The recipe that the new encoder starts from.
        **changes: Fields of `Pretraining` to replace.
    """
    pretraining = SIMCLR_MNV3.pretraining
    assert pretraining is not None  # noqa: S101 for the type checker
    name = f"{method.replace('_', '-')}-{start.name.removeprefix('random-')}"
    settings = replace(pretraining, **{"method": method, "options": {}, **changes})
    parent = start.name if start.weights == "imagenet" else None  # random weights are drawn again from the seed
    return replace(start, name=name, pretraining=settings, parent=parent)


_LOCAL = LocalViews(num=4, resolution=24, augmentation=Augmentation(crop_scale=(0.1, 0.4)))

DEMO_ENCODERS: dict[str, EncoderRecipe] = {
    recipe.name: recipe
    for recipe in (
        IMAGENET_LITE0,
        replace(IMAGENET_LITE0, name="imagenet-lite0-224", resolution=224),  # for photographs
        PHOTO_CPU_ENCODER,
        RANDOM_LITE0,
        RANDOM_MNV3,
        SIMCLR_MNV3,
        pretrained_by("byol"),
        pretrained_by("swav", local_views=_LOCAL),
        pretrained_by("moco_v3"),
        pretrained_by("dino", local_views=_LOCAL),
        pretrained_by("vicreg"),
        pretrained_by("barlow_twins"),
        pretrained_by(
            "simclr",
            IMAGENET_LITE0,
            options={"temperature": 0.1},
            optimization=Optimization(epochs=12, batch_size=256, lr=5e-4, weight_decay=1e-4),
        ),
        pretrained_by("simclr", RANDOM_LITE0, options={"temperature": 0.1}),
    )
}
ENCODER_RECIPES: dict[str, EncoderRecipe] = {**DEMO_ENCODERS, **GPU_ENCODERS}

PROBE = ClassifierRecipe(
    name="imagenet-lite0-probe",
    encoder="imagenet-lite0",
    mode="probe",
    optimization=Optimization(epochs=100, batch_size=256, lr=3e-3, weight_decay=1.0, warmup_epochs=0),
)
# Both starting weights share one recipe, so that only the weights explain a difference.
FINETUNE_5PCT = ClassifierRecipe(
    name="simclr-mnv3-finetune-5pct",
    encoder="simclr-mnv3",
    mode="finetune",
    label_fraction=0.05,
    optimization=Optimization(epochs=60, batch_size=64, lr=1e-2, warmup_epochs=5, encoder_lr_factor=0.05),
    label_smoothing=0.1,
    augmentation=Augmentation(crop_scale=(0.6, 1.0), jitter_probability=0.0, gray_probability=0.0),
)
# The most accurate recipe that one machine trains within an hour.
FINETUNE_IMAGENET = ClassifierRecipe(
    name="imagenet-lite0-finetune",
    encoder="imagenet-lite0",
    mode="finetune",
    optimization=Optimization(epochs=16, batch_size=128, lr=1.5e-3, warmup_epochs=2, ema_decay=0.999),
    label_smoothing=0.1,
    augmentation=Augmentation(
        crop_scale=(0.6, 1.0), crop_ratio=(0.9, 1.1), jitter_probability=0.0, gray_probability=0.0
    ),
    mixing=Mixing(probability=0.5),
    execution=None,
)
# For some 5,000 photographs on two cores within ten minutes, all else included (benchmarks/own_catalog.py). The first
# half of the blocks takes most of the time and changes least. Views of a lower resolution halve the time, and their
# objects have the size of those in whole images. benchmarks/photo_cpu.py compares alternatives.
PHOTO_CPU = ClassifierRecipe(
    name="photo-cpu",
    encoder="photo-cpu",
    mode="finetune",
    tuned_share=0.5,
    optimization=Optimization(
        epochs=5, batch_size=32, lr=2e-3, warmup_epochs=0.5, encoder_lr_factor=0.3, ema_decay=0.99
    ),
    label_smoothing=0.1,
    augmentation=Augmentation(crop_scale=(0.5, 1.0), jitter_probability=0.4, gray_probability=0.0),
    view_resolution=160,
)
DEMO_CLASSIFIERS: dict[str, ClassifierRecipe] = {
    recipe.name: recipe
    for recipe in (
        PROBE,
        PHOTO_CPU,
        replace(PROBE, name="imagenet-lite0-probe-5pct", label_fraction=0.05),
        replace(PROBE, name="imagenet-lite0-224-probe", encoder="imagenet-lite0-224"),
        FINETUNE_5PCT,
        replace(FINETUNE_5PCT, name="random-mnv3-finetune-5pct", encoder="random-mnv3"),
        replace(
            FINETUNE_5PCT,
            name="simclr-mnv3-finetune",
            label_fraction=1.0,
            optimization=Optimization(epochs=12, batch_size=64, lr=4e-3, warmup_epochs=2),
        ),
        FINETUNE_IMAGENET,
        # For few labels, or photographs at a high resolution: the first blocks keep their ImageNet weights.
        replace(
            FINETUNE_IMAGENET,
            name="imagenet-lite0-partial",
            tuned_share=0.5,
            optimization=replace(FINETUNE_IMAGENET.optimization, layer_decay=0.8),
            patience=3,
        ),
        # Consistent levels, and a loss that weighs mistakes near the root more.
        replace(FINETUNE_5PCT, name="simclr-mnv3-hierarchical-5pct", heads="conditional", loss="hierarchical"),
        replace(FINETUNE_5PCT, name="simclr-mnv3-fixmatch-5pct", semi_supervised=FixMatch()),
        # The best recipe for random weights: the encoder has the same learning rate as the heads.
        replace(
            FINETUNE_5PCT,
            name="random-mnv3-scratch-5pct",
            encoder="random-mnv3",
            optimization=Optimization(epochs=60, batch_size=64, lr=6e-3, warmup_epochs=5),
        ),
    )
}
CLASSIFIER_RECIPES: dict[str, ClassifierRecipe] = {**DEMO_CLASSIFIERS, **GPU_CLASSIFIERS}

# Small classifiers distilled from a larger one, using the predictions of their teacher in the store.
STUDENT_RECIPES: dict[str, ClassifierRecipe] = {
    recipe.name: recipe
    for recipe in (
        replace(
            CLASSIFIER_RECIPES["simclr-mnv3-finetune"],
            name="student-mnv3",
            distillation=Distillation(teacher="imagenet-lite0-probe"),
        ),
        replace(
            CLASSIFIER_RECIPES["simclr-mnv3-finetune"],
            name="student-mnv3-features",
            distillation=Distillation(teacher="imagenet-lite0-probe", feature_weight=1_000.0),
        ),
        # The teacher is the result of the search "quick".
        replace(
            CLASSIFIER_RECIPES["simclr-mnv3-finetune"],
            name="student-of-search",
            optimization=Optimization(epochs=30, batch_size=64, lr=4e-3, warmup_epochs=3),
            distillation=Distillation(teacher="search-quick"),
        ),
        replace(
            CLASSIFIER_RECIPES["simclr-mnv3-finetune"],
            name="student-mnv3-of-two",
            distillation=Distillation(teacher="stack"),
        ),
    )
}

# Attributes other than the category; they share the encoders.
_ATTRIBUTE = replace(PROBE, name="attribute", heads="flat", depth_weights=(1.0,))
ATTRIBUTE_RECIPES: dict[str, AttributeRecipe] = {
    recipe.name: recipe
    for recipe in (
        AttributeRecipe(name="color", column="color", classifier=_ATTRIBUTE),
        AttributeRecipe(name="pattern", column="pattern", classifier=_ATTRIBUTE),
        AttributeRecipe(name="age-group", column="age_group", classifier=_ATTRIBUTE),
        AttributeRecipe(name="product-type", column="product_type", classifier=_ATTRIBUTE),
    )
}

ENSEMBLE_RECIPES: dict[str, EnsembleRecipe] = {
    recipe.name: recipe
    for recipe in (
        EnsembleRecipe(name="vote", members=("imagenet-lite0-probe", "simclr-mnv3-finetune")),
        EnsembleRecipe(name="stack", members=("imagenet-lite0-probe", "simclr-mnv3-finetune"), combination="stack"),
        EnsembleRecipe(
            name="stack-5pct",
            members=("imagenet-lite0-probe", "simclr-mnv3-finetune-5pct"),
            combination="stack",
        ),
    )
}

# Label-efficiency comparison: every encoder on every share of the labels, once per seed.
LABEL_SHARES = ("0.01", "0.05", "0.1", "0.25", "0.5", "1.0")
SEEDS = (0, 1, 2)


def share_recipe(encoder: str, share: float, seed: int, num_labels: int) -> ClassifierRecipe:
    """Returns the fine-tuning recipe of the label-efficiency comparison, the same for every encoder.

    Fewer labels train for more epochs, so that the smallest share makes enough steps at a similar total cost. Encoder
    and heads have the same learning rate, which is best for random weights and, on Fashion-MNIST, for pretrained ones.

    Args:
        encoder: Name of the encoder's recipe.
        share: Share of the training labels, in (0, 1].
        seed: Seed of the drawn labels, the heads' weights and the order of images.
        num_labels: Number of labels that the share amounts to.
    """
    epochs = min(60, max(12, 20_000 // num_labels))
    return replace(
        FINETUNE_5PCT,
        name=f"{encoder}-{share:g}-of-labels-seed-{seed}",
        encoder=encoder,
        label_fraction=share,
        optimization=Optimization(epochs=epochs, batch_size=64, lr=4e-3, warmup_epochs=5),
        seed=seed,
    )
