"""Presets for GPUs: each is built at its native size, embeds images and trains a step, by the project's own code."""

from dataclasses import replace

import numpy as np
import pytest
import timm
import torch

from ml.encoders.encoder import build
from ml.gpu_recipes import GPU_CLASSIFIERS, GPU_ENCODERS
from ml.recipe_checks import classifier_problems, encoder_problems
from ml.recipe_types import DEFAULT_EXECUTION
from ml.training.classification import ClassificationTask, Examples
from ml.training.finetuning import initial_classifier
from ml.training.loop import train
from tests.ml.tiny import striped

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", GPU_ENCODERS)
def test_a_preset_embeds_images_and_trains_a_step_at_its_native_size(name: str) -> None:
    preset, recipe = GPU_ENCODERS[name], GPU_CLASSIFIERS[f"{name}-finetune"]
    once = replace(recipe.optimization, epochs=1, batch_size=2, warmup_epochs=0)
    recipe = replace(recipe, optimization=once, execution=DEFAULT_EXECUTION)
    size = preset.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, size, size), dtype=np.uint8)
    examples = Examples(inputs=pixels, labels=striped(2)[1])
    classifier = initial_classifier(recipe, build(replace(preset, weights="random")), examples)
    for each in classifier.heads.parameters():  # they start at zero, so the first step would leave the encoder alone
        torch.nn.init.normal_(each, std=0.1)
    encoder = classifier.encoder
    with torch.inference_mode():
        assert classifier.eval().embed(torch.from_numpy(pixels[:1])).shape == (1, encoder.dim)
    before = [each.detach().clone() for each in encoder.parameters()]
    assert train(ClassificationTask(classifier, recipe, examples, None), once, CPU, seed=0).num_examples_seen == 2
    pairs = list(zip(before, encoder.parameters(), strict=True))
    assert all(torch.isfinite(after).all() for _, after in pairs)
    assert sum(not torch.equal(*pair) for pair in pairs) > len(pairs) / 2


def test_every_preset_is_one_of_timms_pretrained_models_with_a_classifier_of_its_own() -> None:
    for name, recipe in GPU_ENCODERS.items():
        assert recipe.weights == "pretrained"
        assert recipe.backbone in timm.list_pretrained(recipe.backbone)
        assert list(encoder_problems(recipe)) == []
        classifier = GPU_CLASSIFIERS[f"{name}-finetune"]
        assert classifier.encoder == name
        assert list(classifier_problems(classifier, recipe)) == []
    assert len(GPU_CLASSIFIERS) == len(GPU_ENCODERS)
