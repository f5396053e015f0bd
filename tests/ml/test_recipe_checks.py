"""Checks of recipes: what cannot be built or trained is named before anything is, with the way out."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.encoders.backbones import create_backbone
from ml.recipe_checks import classifier_problems, encoder_problems, require_buildable, require_trainable
from ml.recipe_types import Augmentation, EncoderRecipe, LocalViews, Mixing
from ml.recipes import CLASSIFIER_RECIPES, ENCODER_RECIPES, PROBE
from tests.ml.tiny import TINY_ENCODER, TINY_FINETUNE, TINY_SIMCLR

SIMCLR = TINY_SIMCLR.pretraining
assert SIMCLR is not None
VIT = replace(TINY_ENCODER, backbone="vit_tiny_patch16_224", resolution=64)


@pytest.mark.parametrize("name", ENCODER_RECIPES)
def test_every_preset_of_an_encoder_can_be_built(name: str) -> None:
    recipe = ENCODER_RECIPES[name]
    require_buildable(recipe, ENCODER_RECIPES[recipe.parent] if recipe.parent else None)


@pytest.mark.parametrize("name", CLASSIFIER_RECIPES)
def test_every_preset_of_a_classifier_can_be_trained(name: str) -> None:
    recipe = CLASSIFIER_RECIPES[name]
    require_trainable(recipe, ENCODER_RECIPES[recipe.encoder])


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (replace(TINY_ENCODER, backbone="resnet19"), r"unknown backbone 'resnet19'; .*similar names: .*resnet18"),
        (
            replace(TINY_ENCODER, backbone="convnext_tiny.fb_in21k"),
            r"unknown backbone 'convnext_tiny\.fb_in21k'; .*22k",
        ),
        (replace(TINY_ENCODER, resolution=0), r"cannot take images of 0 px"),
        (replace(TINY_ENCODER, backbone="inception_v3", resolution=64), r"cannot take images of 64 px .*own .* is 299"),
        (
            replace(VIT, resolution=225),
            r"images of 225 px \(its patches are of 16 px, so .* 224 or 240\); its own .* 224",
        ),
        (replace(VIT, resolution=8), r"images of 8 px .*"),
        (replace(VIT, backbone="vit_small_patch14_dinov2", resolution=224 + 7), r"patches are of 14 px.* 224 or 238"),
        (replace(VIT, backbone="maxvit_tiny_tf_224", resolution=230), r"cannot take images of 230 px \(height \(58\)"),
        (
            replace(TINY_ENCODER, weights="gone.pt"),
            r"has weights = 'gone\.pt', which is no file; write imagenet, pretr",
        ),
        (
            replace(TINY_SIMCLR, pretraining=replace(SIMCLR, method="simcrl")),
            r"method = 'simcrl'; similar names: simclr",
        ),
        (
            replace(TINY_SIMCLR, pretraining=replace(SIMCLR, local_views=LocalViews())),
            r"has pretraining\.local_views, which simclr does not take; leave them out, or use dino, swav",
        ),
        (
            replace(TINY_SIMCLR, pretraining=replace(SIMCLR, micro_batch_size=1)),
            r"has pretraining\.micro_batch_size = 1, but 'test_efficientnet' has batch norm, .* at least 2",
        ),
        (
            replace(
                TINY_SIMCLR,
                pretraining=replace(SIMCLR, optimization=replace(SIMCLR.optimization, batch_size=1)),
            ),
            r"has pretraining\.optimization\.batch_size = 1; give at least 2",
        ),
    ],
)
def test_an_encoder_that_cannot_be_made_is_explained(recipe: EncoderRecipe, words: str) -> None:
    problems = list(encoder_problems(recipe))
    assert len(problems) == 1
    assert re.search(words, problems[0]), problems
    with pytest.raises(ValueError, match=rf"encoder '{recipe.name}' .*{words}"):
        require_buildable(recipe)


def test_a_parent_has_the_same_backbone_and_where_positions_are_weights_the_same_size() -> None:
    child = replace(VIT, parent="parent")
    other = list(encoder_problems(child, replace(TINY_ENCODER, name="parent")))
    assert "has parent = 'parent', an encoder of 'test_efficientnet'" in other[0]
    smaller = list(encoder_problems(child, replace(VIT, name="parent", resolution=32)))
    assert "has parent = 'parent' of 32 px, but takes 64 px" in smaller[0]
    assert list(encoder_problems(child, replace(VIT, name="parent"))) == []


def test_a_classifier_that_cannot_be_trained_is_explained() -> None:
    optimization = TINY_FINETUNE.optimization
    inception = EncoderRecipe(name="tiny", backbone="inception_v3", weights="random", resolution=96)
    for recipe, encoder, words in (
        (
            replace(TINY_FINETUNE, heads="per_levels"),
            TINY_ENCODER,
            r"has heads = 'per_levels'; similar names: per_level",
        ),
        (replace(TINY_FINETUNE, loss="cross"), TINY_ENCODER, r"has loss = 'cross'; .*available: .*cross_entropy"),
        (replace(TINY_FINETUNE, loss="hierarchical"), TINY_ENCODER, r"levels agree: .*conditional.*; not 'per_level'"),
        (replace(TINY_FINETUNE, depth_weights=(1.0,)), TINY_ENCODER, r"has 1 depth_weights, but its labels have 4 lev"),
        (replace(TINY_FINETUNE, drop_path=0.1), inception, r"'inception_v3' has no drop path; leave drop_path at 0"),
        (
            replace(TINY_FINETUNE, optimization=replace(optimization, batch_size=1)),
            TINY_ENCODER,
            r"has optimization\.batch_size = 1, but 'test_efficientnet' has batch norm",
        ),
        (replace(PROBE, mixing=Mixing()), TINY_ENCODER, r"has mixing, which changes images, but a probe trains on"),
        (replace(PROBE, augmentation=Augmentation()), TINY_ENCODER, r"has augmentation, which changes images"),
        (
            replace(TINY_FINETUNE, tuned_share=0.5),
            replace(TINY_ENCODER, backbone="mobilenetv4_conv_small", resolution=64),
            None,
        ),
    ):
        problems = list(classifier_problems(recipe, encoder))
        if words is None:
            assert problems == []
            continue
        assert len(problems) == 1, problems
        assert re.search(words, problems[0]), problems
        with pytest.raises(ValueError, match=f"classifier '{recipe.name}' "):
            require_trainable(recipe, encoder)


def test_a_backbone_of_which_timm_defines_no_blocks_has_no_rates_or_shares_of_blocks() -> None:
    encoder = replace(TINY_ENCODER, backbone="selecsls42", resolution=64)
    recipe = replace(TINY_FINETUNE, tuned_share=0.5, optimization=replace(TINY_FINETUNE.optimization, layer_decay=0.8))
    problems = list(classifier_problems(recipe, encoder))
    assert [each.split(":")[0] for each in problems] in ([], ["has tuned_share", "has optimization.layer_decay"])


def test_a_missing_checkpoint_is_a_problem_and_an_existing_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    recipe = replace(TINY_ENCODER, weights=str(path))
    assert len(list(encoder_problems(recipe))) == 1
    path.touch()
    assert list(encoder_problems(recipe)) == []


@settings(max_examples=10, deadline=None)
@given(resolution=st.integers(1, 80))
def test_a_transformer_takes_multiples_of_its_patch_alike_on_both_devices(resolution: int) -> None:
    outcomes = []
    for device in ("meta", "cpu"):
        try:
            create_backbone("test_vit", resolution, device=device)
        except ValueError:
            outcomes.append(False)
        else:
            outcomes.append(True)
    assert outcomes == [resolution % 16 == 0] * 2
