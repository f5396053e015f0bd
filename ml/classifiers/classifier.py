"""Classifiers: encoder -> projector -> predictor -> heads, from pixels to a class on every level."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.artifacts import load_artifact, save_artifact
from ml.classifiers.heads import build_heads
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.encoders.backbones import create_backbone
from ml.encoders.encoder import Encoder
from ml.execution import autocast
from ml.recipe_types import DEFAULT_EXECUTION

METADATA_FILE = "classifier.json"

State = Literal["initial", "trained", "restored"]


class Classifier(nn.Module):
    """A network from images, or from its encoder's embeddings, to logits for every taxonomy level.

    `encoder.origin` ("random", "imagenet" or a method's name) and `state` ("initial", "trained", "restored") tell
    where the weights come from. Embeddings are standardized by `shift` and `scale` before the projector.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder, hierarchy: Hierarchy, template: Template) -> None:
        super().__init__()
        self.encoder, self.hierarchy, self.template = encoder, hierarchy, template
        self.state: State = "initial"
        self.execution = DEFAULT_EXECUTION  # precision and layout of the encoder during training
        self.register_buffer("shift", torch.zeros(encoder.dim))
        self.register_buffer("scale", torch.ones(encoder.dim))
        self.projector, dim = _layer(encoder.dim, template.projector_dim)
        self.predictor, dim = _layer(dim, template.predictor_dim)
        self.heads = build_heads(template.heads, dim, hierarchy)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return logits, num_levels x (batch, num_classes), of images (batch, 3, h, w) or embeddings (batch, dim)."""
        embeddings = self.embed(inputs) if inputs.ndim == 4 else inputs
        standard = (embeddings - self.shift) / self.scale
        logits: tuple[Tensor, ...] = self.heads(self.predictor(self.projector(standard)))
        return logits

    def embed(self, images: Tensor) -> Tensor:
        """Return the encoder's embeddings (batch, dim) of images (batch, 3, h, w), in the precision of training."""
        with autocast(self.execution, images.device):
            embeddings: Tensor = self.encoder(images).float()
        return embeddings

    def train(self, mode: bool = True) -> "Classifier":
        """Set the mode; frozen modules stay in evaluation mode (fixed statistics, no dropout)."""
        super().train(mode)
        for module in self.encoder.backbone.modules():
            own = list(module.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()
        return self

    def log_probabilities(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return log-probabilities, num_levels x (batch, num_classes); a class has the sum of the leaves below it."""
        leaves = self.heads.leaf_scores(self(inputs), self.template.depth_weights)
        return self.heads.levels.marginalize(leaves.float().log_softmax(dim=1))

    def standardize_by(self, embeddings: NDArray[np.float32]) -> None:
        """Fit `shift` and `scale` to embeddings (num, dim); a constant feature is only shifted."""
        deviation = embeddings.std(axis=0, dtype=np.float64)
        deviation[deviation < 1e-8] = 1.0
        self.shift.copy_(torch.from_numpy(embeddings.mean(axis=0, dtype=np.float64)))
        self.scale.copy_(torch.from_numpy(deviation))

    def save(self, folder: Path, facts: Mapping[str, Any]) -> str:
        """Write `weights.safetensors` and `classifier.json` into a folder.

        Args:
            folder: made if missing.
            facts: stored along; `facts["inputs"]`, if given, maps each input's name to its fingerprint for `load`.

        Returns:
            The fingerprint of the weights.
        """
        ours = {
            "encoder": self.encoder.metadata(),
            "template": asdict(self.template),
            "level_ids": self.hierarchy.ids,
            "level_parents": self.hierarchy.parents,
            "state": self.state,
        }
        return save_artifact(folder, METADATA_FILE, self.state_dict(), {"inputs": {}, **facts, **ours})

    @classmethod
    def load(cls, folder: Path, inputs: Mapping[str, str] | None = None) -> "Classifier":
        """Load the classifier in a folder, in evaluation mode.

        Args:
            folder: written by `save`.
            inputs: required fingerprints, by the input's name.

        Raises:
            FileNotFoundError: the folder holds no classifier.
            ValueError: weights or inputs do not match `classifier.json`, or an older version of this program wrote it.
        """
        tensors, facts = load_artifact(folder, METADATA_FILE)
        for name, required in (inputs or {}).items():
            used = facts["inputs"].get(name)
            if used != required:
                raise ValueError(f"{folder} was made from {name} {used}, not from {required}; train it again")
        if "level_parents" not in facts:
            raise ValueError(f"{folder} is of an older version, which stored no parents of categories; train it again")
        encoder = facts["encoder"]
        backbone = create_backbone(encoder["backbone"], encoder["resolution"])
        classifier = cls(
            Encoder.described(encoder, backbone),
            Hierarchy(
                ids=tuple(tuple(level) for level in facts["level_ids"]),
                parents=tuple(tuple(level) for level in facts["level_parents"]),
            ),
            Template(**{**facts["template"], "depth_weights": tuple(facts["template"]["depth_weights"])}),
        )
        classifier.load_state_dict(tensors)
        classifier.state = "restored"
        return classifier.eval()


def _layer(dim: int, width: int | None) -> tuple[nn.Module, int]:
    """A hidden layer and its output width; the identity if `width` is None."""
    if width is None:
        return nn.Identity(), dim
    return nn.Sequential(nn.Linear(dim, width), nn.LayerNorm(width), nn.ReLU(inplace=True)), width
