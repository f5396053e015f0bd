"""Recipes: named, complete, and cheap to import."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest

from ml.classifiers.heads import HEADS
from ml.methods import METHODS
from ml.recipe_types import fingerprint
from ml.recipes import (
    CLASSIFIER_RECIPES,
    ENCODER_RECIPES,
    FINETUNE_5PCT,
    SIMCLR_MNV3,
)
from resources.recipes import PRESETS


def test_importing_the_recipes_loads_neither_torch_nor_timm() -> None:
    code = "import sys, ml.recipes; print(sorted({'torch', 'timm', 'torchvision', 'numpy'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_every_recipe_is_found_by_its_own_name() -> None:
    assert all(PRESETS.encoder(name).name == name for name in ENCODER_RECIPES)
    assert all(PRESETS.classifier(name).name == name for name in CLASSIFIER_RECIPES)


def test_every_recipe_names_things_that_exist() -> None:
    for recipe in CLASSIFIER_RECIPES.values():
        assert recipe.encoder in ENCODER_RECIPES
        assert recipe.heads in HEADS
    for encoder in ENCODER_RECIPES.values():
        assert encoder.pretraining is None or encoder.pretraining.method in METHODS


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown encoder recipe 'simclr-resnet'; similar names: .*simclr-mnv3"):
        PRESETS.encoder("simclr-resnet")
    with pytest.raises(
        ValueError,
        match=r"unknown classifier recipe 'best'; none of the \d+ known names is similar; `shelfsight recipes`",
    ):
        PRESETS.classifier("best")


def test_the_fingerprint_follows_every_setting_and_nothing_else() -> None:
    assert fingerprint(SIMCLR_MNV3) == fingerprint(replace(SIMCLR_MNV3))
    assert fingerprint(SIMCLR_MNV3) != fingerprint(replace(SIMCLR_MNV3, seed=1))
    assert fingerprint(SIMCLR_MNV3) != fingerprint(replace(SIMCLR_MNV3, fit="pad"))
    pretraining = SIMCLR_MNV3.pretraining
    assert pretraining is not None
    nested = replace(SIMCLR_MNV3, pretraining=replace(pretraining, options={"temperature": 0.9}))
    assert fingerprint(SIMCLR_MNV3) != fingerprint(nested)


def test_random_and_self_supervised_weights_are_fine_tuned_by_the_same_recipe() -> None:
    random = PRESETS.classifier("random-mnv3-finetune-5pct")
    assert replace(random, name=FINETUNE_5PCT.name, encoder=FINETUNE_5PCT.encoder) == FINETUNE_5PCT


def test_the_resolution_of_views_needs_an_augmentation_that_draws_them() -> None:
    assert replace(FINETUNE_5PCT, view_resolution=32).view_resolution == 32
    for change in ({"view_resolution": 0}, {"view_resolution": 32, "augmentation": None}):
        with pytest.raises(ValueError, match=r"view_resolution .*; give at least 1 and an augmentation"):
            replace(FINETUNE_5PCT, **change)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SIMCLR_MNV3.seed = 3  # type: ignore[misc]
