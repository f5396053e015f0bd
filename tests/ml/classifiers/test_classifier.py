"""Classifiers: template, states, predictions, saving and loading."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.artifacts import WEIGHTS_FILE
from ml.classifiers.classifier import Classifier
from ml.classifiers.predicting import predict
from ml.encoders.encoder import build
from ml.recipe_types import ClassifierRecipe
from ml.training.classification import Examples
from ml.training.finetuning import initial_classifier, train_classifier
from ml.training.pretraining import pretrain
from tests.ml.tiny import TINY_ENCODER, TINY_FINETUNE, TINY_SIMCLR, striped

CPU = torch.device("cpu")
PIXELS, LABELS = striped(32)
EXAMPLES = Examples(inputs=PIXELS, labels=LABELS)


def trained(recipe: ClassifierRecipe = TINY_FINETUNE) -> Classifier:
    return train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU).classifier


def test_every_level_gets_a_head_of_its_size() -> None:
    classifier = initial_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES)
    logits = classifier(torch.from_numpy(PIXELS[:5]))
    assert [tuple(level.shape) for level in logits] == [(5, 1), (5, 2), (5, 4), (5, 4)]


def test_origin_and_state_distinguish_the_four_kinds_of_classifier(tmp_path: Path) -> None:
    lite0 = replace(TINY_ENCODER, backbone="tf_efficientnet_lite0", weights="imagenet")
    from_imagenet = initial_classifier(TINY_FINETUNE, build(lite0), EXAMPLES)
    ssl_encoder = pretrain(TINY_SIMCLR, PIXELS, CPU).encoder
    from_ssl = initial_classifier(TINY_FINETUNE, ssl_encoder, EXAMPLES)
    after_training = train_classifier(TINY_FINETUNE, ssl_encoder, EXAMPLES, CPU).classifier
    after_training.save(tmp_path, {})
    restored = Classifier.load(tmp_path)
    states = [(c.encoder.origin, c.state) for c in (from_imagenet, from_ssl, after_training, restored)]
    assert states == [
        ("imagenet", "initial"),
        ("simclr", "initial"),
        ("simclr", "trained"),
        ("simclr", "restored"),
    ]


def test_a_restored_classifier_computes_identical_logits(tmp_path: Path) -> None:
    classifier = trained()
    classifier.save(tmp_path, {"label_fraction": 0.05})
    restored = Classifier.load(tmp_path)
    pixels = torch.from_numpy(PIXELS)
    with torch.inference_mode():
        pairs = zip(classifier(pixels), restored(pixels), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
    assert restored.hierarchy == classifier.hierarchy


def test_weights_or_inputs_that_do_not_match_are_refused(tmp_path: Path) -> None:
    trained().save(tmp_path, {"inputs": {"encoder": "abc", "dataset": "123"}})
    assert Classifier.load(tmp_path, {"encoder": "abc"}).state == "restored"
    with pytest.raises(ValueError, match=r"was made from dataset 123, not from 456; train it again"):
        Classifier.load(tmp_path, {"dataset": "456"})
    with pytest.raises(ValueError, match=r"was made from taxonomy None, not from 9"):
        Classifier.load(tmp_path, {"taxonomy": "9"})
    weights = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(ValueError, match="was written for"):
        Classifier.load(tmp_path)


def test_predictions_start_with_the_path_of_the_best_leaf() -> None:
    classifier = trained()
    predictions = predict(classifier, PIXELS, CPU, batch_size=7)
    with torch.inference_mode():
        levels = [level.exp().numpy() for level in classifier.log_probabilities(torch.from_numpy(PIXELS))]
    assert [prediction.ids.shape for prediction in predictions] == [(32, 1), (32, 2), (32, 4), (32, 4)]
    paths = classifier.hierarchy.paths[levels[-1].argmax(axis=1)]
    for prediction, expected, first, ids in zip(predictions, levels, paths.T, classifier.hierarchy.ids, strict=True):
        ranked = expected.copy()
        ranked[np.arange(32), first] += 1
        order = np.argsort(-ranked, axis=1)
        assert np.array_equal(prediction.ids, np.array(ids)[order])
        assert np.allclose(prediction.probabilities, np.take_along_axis(expected, order, axis=1), atol=1e-5)


def test_empty_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="there is nothing to predict"):
        predict(trained(), PIXELS[:0], CPU)
