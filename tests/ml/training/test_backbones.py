"""Backbones that classifiers of products are published with: each is fine-tuned, in part, by the same recipe."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.classifiers.classifier import Classifier
from ml.classifiers.predicting import predict
from ml.encoders.backbones import block_of_parameter
from ml.encoders.encoder import build
from ml.recipe_types import EncoderRecipe, Mixing, Optimization
from ml.training.classification import Examples
from ml.training.finetuning import train_classifier
from tests.ml.tiny import TINY_FINETUNE, striped

CPU = torch.device("cpu")
RESOLUTION_OF = {
    "inception_v3": 75,  # the smallest that it takes
    "xception41": 32,
    "efficientnet_b3": 32,
    "tf_efficientnetv2_b0": 32,
    "nf_regnet_b0": 32,
    "eca_nfnet_l0": 32,
    "convnext_atto": 32,
    "vit_tiny_patch16_224": 32,
}


@pytest.mark.parametrize(("backbone", "resolution"), RESOLUTION_OF.items())
def test_half_of_a_backbone_is_fine_tuned_with_a_rate_for_each_block(
    backbone: str, resolution: int, tmp_path: Path
) -> None:
    recipe = replace(
        TINY_FINETUNE,
        optimization=Optimization(epochs=2, batch_size=4, lr=1e-3, layer_decay=0.8, ema_decay=0.9),
        mixing=Mixing(),
        tuned_share=0.5,
    )
    small, labels = striped(4)
    pixels = np.ascontiguousarray(small.repeat(3, axis=2).repeat(3, axis=3)[:, :, :resolution, :resolution])
    encoder = build(EncoderRecipe(name="one", backbone=backbone, weights="random", resolution=resolution))
    block = block_of_parameter(backbone, encoder.backbone)
    before = {name: each.clone() for name, each in encoder.backbone.state_dict().items()}
    classifier = train_classifier(recipe, encoder, Examples(inputs=pixels, labels=labels), CPU).classifier
    after = classifier.encoder.backbone.state_dict()
    frozen = [name for name, each in encoder.backbone.named_parameters() if not each.requires_grad]
    tuned = [name for name, each in encoder.backbone.named_parameters() if each.requires_grad]
    assert frozen and tuned
    assert max(block[name] for name in frozen) < min(block[name] for name in tuned)
    # Of what is frozen nothing moves, running statistics included: those have the names of their layers' weights.
    layers = {name.rpartition(".")[0] for name in frozen}
    still = [name for name in before if name in frozen or name.rpartition(".")[0] in layers]
    assert all(torch.equal(before[name], after[name]) for name in still)
    assert any(not torch.equal(before[name], after[name]) for name in tuned)

    classifier.save(tmp_path, {})
    predictions = predict(classifier, pixels, CPU)
    again = predict(Classifier.load(tmp_path), pixels, CPU)
    for one, other in zip(predictions, again, strict=True):
        assert np.array_equal(one.ids, other.ids)
        assert np.isfinite(one.probabilities).all()
        assert np.allclose(one.probabilities, other.probabilities, atol=1e-6)
