"""Deployments of classifiers with random weights, made in seconds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.deployment.deploy import DeploymentCriteria, Validation, deploy
from ml.deployment.variants import Machine
from ml.encoders.encoder import build
from tests.ml.classifiers.trees import tree_labels
from tests.ml.tiny import TINY_ENCODER, striped

NUM_VALIDATION = 40


def random_classifier(heads: str) -> Classifier:
    """A classifier with random weights, also in its heads."""
    classifier = Classifier(build(TINY_ENCODER), Hierarchy.of_labels(tree_labels(3, num=48)), Template(heads=heads))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in classifier.heads.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    return classifier.eval()


def deploy_random(folder: Path, heads: str, machine: Machine) -> Mapping[str, Any]:
    """Deploy a random classifier into a folder; returns the facts."""
    classifier = random_classifier(heads)
    images, _ = striped(NUM_VALIDATION, seed=1)
    labels = classifier.hierarchy.labels
    validation = Validation(
        pixels=images, labels=labels[np.arange(NUM_VALIDATION) % len(labels)], fits=np.arange(NUM_VALIDATION) % 2 == 0
    )
    facts = {"classifier": "random", "classifier_sha256": "0" * 64}
    return deploy(classifier, folder, validation, machine, DeploymentCriteria(coverages=(0.8, 0.9)), facts)
