"""Recipes: complete, named, frozen configurations of everything that is trained.

A name of `ENCODER_RECIPES` or `CLASSIFIER_RECIPES` is a partition key everywhere else, so a line added here
adds an encoder or a classifier to the whole system. Nothing in this file loads PyTorch.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ml.near_names import near
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
    Optimisation,
    Pretraining,
)

RecipeT = TypeVar("RecipeT")

IMAGENET_LITE0 = EncoderRecipe(
    name="imagenet-lite0", backbone="tf_efficientnet_lite0", weights="imagenet", resolution=64
)
RANDOM_LITE0 = replace(IMAGENET_LITE0, name="random-lite0", weights="random")
RANDOM_MNV3 = EncoderRecipe(name="random-mnv3", backbone="mobilenetv3_small_050", weights="random", resolution=48)
SIMCLR_MNV3 = replace(
    RANDOM_MNV3,
    name="simclr-mnv3",
    pretraining=Pretraining(
        method="simclr",
        optimisation=Optimisation(epochs=12, batch_size=256, lr=4e-3, weight_decay=1e-4),
        # Crops keep the proportions, since a product's outline tells what it is.
        augmentation=Augmentation(crop_scale=(0.3, 1.0), crop_ratio=(0.9, 1.1), brightness=0.8, contrast=0.8),
        options={"temperature": 0.1},
    ),
)


def pretrained_by(method: str, start: EncoderRecipe = RANDOM_MNV3, **changes: Any) -> EncoderRecipe:
    """The recipe of `SIMCLR_MNV3` for another method, or from other weights; `changes` are of its `Pretraining`."""
    pretraining = SIMCLR_MNV3.pretraining
    assert pretraining is not None  # noqa: S101 for the type checker
    name = f"{method.replace('_', '-')}-{start.name.removeprefix('random-')}"
    settings = replace(pretraining, **{"method": method, "options": {}, **changes})
    parent = start.name if start.weights == "imagenet" else None  # random weights are drawn again, by the seed
    return replace(start, name=name, pretraining=settings, parent=parent)


_LOCAL = LocalViews(num=4, resolution=24, augmentation=Augmentation(crop_scale=(0.1, 0.4)))

ENCODER_RECIPES: dict[str, EncoderRecipe] = {
    recipe.name: recipe
    for recipe in (
        IMAGENET_LITE0,
        replace(IMAGENET_LITE0, name="imagenet-lite0-224", resolution=224),  # for photographs
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
            optimisation=Optimisation(epochs=12, batch_size=256, lr=5e-4, weight_decay=1e-4),
        ),
        pretrained_by("simclr", RANDOM_LITE0, options={"temperature": 0.1}),
    )
}

PROBE = ClassifierRecipe(
    name="imagenet-lite0-probe",
    encoder="imagenet-lite0",
    mode="probe",
    optimisation=Optimisation(epochs=100, batch_size=256, lr=3e-3, weight_decay=1.0, warmup_epochs=0),
)
# One recipe for both starting weights, so that a difference between them is due to nothing else.
FINETUNE_5PCT = ClassifierRecipe(
    name="simclr-mnv3-finetune-5pct",
    encoder="simclr-mnv3",
    mode="finetune",
    label_fraction=0.05,
    optimisation=Optimisation(epochs=60, batch_size=64, lr=1e-2, warmup_epochs=5, encoder_lr_factor=0.05),
    label_smoothing=0.1,
    augmentation=Augmentation(crop_scale=(0.6, 1.0), jitter_probability=0.0, grey_probability=0.0),
)
# The best of what one machine trains within the hour.
FINETUNE_IMAGENET = ClassifierRecipe(
    name="imagenet-lite0-finetune",
    encoder="imagenet-lite0",
    mode="finetune",
    optimisation=Optimisation(epochs=16, batch_size=128, lr=1.5e-3, warmup_epochs=2, ema_decay=0.999),
    label_smoothing=0.1,
    augmentation=Augmentation(
        crop_scale=(0.6, 1.0), crop_ratio=(0.9, 1.1), jitter_probability=0.0, grey_probability=0.0
    ),
    mixing=Mixing(probability=0.5),
    execution=None,
)
CLASSIFIER_RECIPES: dict[str, ClassifierRecipe] = {
    recipe.name: recipe
    for recipe in (
        PROBE,
        replace(PROBE, name="imagenet-lite0-probe-5pct", label_fraction=0.05),
        replace(PROBE, name="imagenet-lite0-224-probe", encoder="imagenet-lite0-224"),
        FINETUNE_5PCT,
        replace(FINETUNE_5PCT, name="random-mnv3-finetune-5pct", encoder="random-mnv3"),
        replace(
            FINETUNE_5PCT,
            name="simclr-mnv3-finetune",
            label_fraction=1.0,
            optimisation=Optimisation(epochs=12, batch_size=64, lr=4e-3, warmup_epochs=2),
        ),
        FINETUNE_IMAGENET,
        # For few labels, or photographs at a high resolution: the first blocks stay as ImageNet left them.
        replace(
            FINETUNE_IMAGENET,
            name="imagenet-lite0-partial",
            tuned_share=0.5,
            optimisation=replace(FINETUNE_IMAGENET.optimisation, layer_decay=0.8),
            patience=3,
        ),
        # Heads whose levels agree; a mistake high up in the taxonomy costs more.
        replace(FINETUNE_5PCT, name="simclr-mnv3-hierarchical-5pct", heads="conditional", loss="hierarchical"),
        replace(FINETUNE_5PCT, name="simclr-mnv3-fixmatch-5pct", semi_supervised=FixMatch()),
        # Random weights under the recipe that suits them best, where the encoder learns as fast as its heads.
        replace(
            FINETUNE_5PCT,
            name="random-mnv3-scratch-5pct",
            encoder="random-mnv3",
            optimisation=Optimisation(epochs=60, batch_size=64, lr=6e-3, warmup_epochs=5),
        ),
    )
}

# Light classifiers that learn from a heavy one; what they are taught is in the store's answers of their teacher.
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
        # Of whatever encoder the search "quick" prefers.
        replace(
            CLASSIFIER_RECIPES["simclr-mnv3-finetune"],
            name="student-of-search",
            optimisation=Optimisation(epochs=30, batch_size=64, lr=4e-3, warmup_epochs=3),
            distillation=Distillation(teacher="search-quick"),
        ),
        replace(
            CLASSIFIER_RECIPES["simclr-mnv3-finetune"],
            name="student-mnv3-of-two",
            distillation=Distillation(teacher="stack"),
        ),
    )
}

# Tasks besides the categories; they share the encoders.
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

# The fair comparison: every encoder on every share of the labels, as often as there are seeds.
LABEL_SHARES = ("0.01", "0.05", "0.1", "0.25", "0.5", "1.0")
SEEDS = (0, 1, 2)


def share_recipe(encoder: str, share: float, seed: int, num_labels: int) -> ClassifierRecipe:
    """How an encoder is fine-tuned in the fair comparison, on so many labels: the same for every encoder.

    The fewer labels, the more epochs, so that the smallest share still makes enough steps, and the whole costs not
    much more than its parts. The encoder learns as fast as its heads, which suits random weights best, and on
    Fashion-MNIST pretrained ones too. The seed draws the labels, the heads' first weights and the order.
    """
    epochs = min(60, max(12, 20_000 // num_labels))
    return replace(
        FINETUNE_5PCT,
        name=f"{encoder}-{share:g}-of-labels-seed-{seed}",
        encoder=encoder,
        label_fraction=share,
        optimisation=Optimisation(epochs=epochs, batch_size=64, lr=4e-3, warmup_epochs=5),
        seed=seed,
    )


def encoder_recipe(name: str) -> EncoderRecipe:
    """The encoder recipe of this name.

    Raises:
        ValueError: there is none; the message lists the known names.
    """
    return _known(ENCODER_RECIPES, name, "encoder")


def classifier_recipe(name: str) -> ClassifierRecipe:
    """The classifier recipe of this name.

    Raises:
        ValueError: there is none; the message lists the known names.
    """
    return _known(CLASSIFIER_RECIPES, name, "classifier")


def student_recipe(name: str) -> ClassifierRecipe:
    """The student's recipe of this name.

    Raises:
        ValueError: there is none; the message lists the known names.
    """
    return _known(STUDENT_RECIPES, name, "student")


def attribute_recipe(name: str) -> AttributeRecipe:
    """The attribute's recipe of this name.

    Raises:
        ValueError: there is none; the message lists the known names.
    """
    return _known(ATTRIBUTE_RECIPES, name, "attribute")


def ensemble_recipe(name: str) -> EnsembleRecipe:
    """The ensemble's recipe of this name.

    Raises:
        ValueError: there is none; the message lists the known names.
    """
    return _known(ENSEMBLE_RECIPES, name, "ensemble")


def _known(recipes: Mapping[str, RecipeT], name: str, kind: str) -> RecipeT:
    if name not in recipes:
        raise ValueError(f"unknown {kind} recipe {name!r}; {near(name, recipes)}")
    return recipes[name]
