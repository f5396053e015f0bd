"""Classifiers: encoder -> projector -> predictor -> heads, from pixels to a class on every level."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.artefacts import load_artefact, save_artefact
from ml.backbones import create_backbone
from ml.classifiers.heads import build_heads
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.encoders import Encoder
from ml.recipe_types import PLAIN
from ml.training.execution import autocast

FACTS_FILE = "classifier.json"

State = Literal["initial", "trained", "restored"]


class Classifier(nn.Module):
    """A network from pictures, or from its encoder's embeddings of them, to logits for every taxonomy level.

    `encoder.origin` ("random", "imagenet" or a method's name) and `state` ("initial", "trained",
    "restored") together say where the weights stand. Embeddings are standardised by `shift` and `scale`
    before anything else.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder, hierarchy: Hierarchy, template: Template) -> None:
        super().__init__()
        self.encoder, self.hierarchy, self.template = encoder, hierarchy, template
        self.state: State = "initial"
        self.execution = PLAIN  # how its encoder computes, while it is trained
        self.register_buffer("shift", torch.zeros(encoder.dim))
        self.register_buffer("scale", torch.ones(encoder.dim))
        self.projector, dim = _layer(encoder.dim, template.projector_dim)
        self.predictor, dim = _layer(dim, template.predictor_dim)
        self.heads = build_heads(template.heads, dim, hierarchy)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Scores, num_levels x (batch, num_classes), of pictures (batch, 3, h, w) or embeddings."""
        embeddings = self.embed(inputs) if inputs.ndim == 4 else inputs
        standard = (embeddings - self.shift) / self.scale
        logits: tuple[Tensor, ...] = self.heads(self.predictor(self.projector(standard)))
        return logits

    def embed(self, pictures: Tensor) -> Tensor:
        """Its encoder's embeddings (batch, dim) of pictures (batch, 3, h, w), in the precision of its training."""
        with autocast(self.execution, pictures.device):
            embeddings: Tensor = self.encoder(pictures).float()
        return embeddings

    def train(self, mode: bool = True) -> "Classifier":
        """In training, what is frozen keeps its statistics and drops nothing."""
        super().train(mode)
        for module in self.encoder.backbone.modules():
            own = list(module.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()
        return self

    def log_probabilities(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Its answer: num_levels x (batch, num_classes), in which a class is as probable as all leaves below it."""
        leaves = self.heads.leaf_scores(self(inputs), self.template.depth_weights)
        return self.heads.levels.marginalise(leaves.float().log_softmax(dim=1))

    def standardise_by(self, embeddings: NDArray[np.float32]) -> None:
        """Fit `shift` and `scale` to embeddings (n, dim); a feature that never varies is only shifted."""
        deviation = embeddings.std(axis=0, dtype=np.float64)
        deviation[deviation < 1e-8] = 1.0
        self.shift.copy_(torch.from_numpy(embeddings.mean(axis=0, dtype=np.float64)))
        self.scale.copy_(torch.from_numpy(deviation))

    def save(self, folder: Path, facts: Mapping[str, Any]) -> str:
        """Write `weights.safetensors` and `classifier.json` (these facts and ours); return the fingerprint.

        `facts["inputs"]`, if given, maps each input's name to its fingerprint, which `load` can insist on.
        """
        ours = {
            "encoder": self.encoder.facts(),
            "template": asdict(self.template),
            "level_ids": self.hierarchy.ids,
            "level_parents": self.hierarchy.parents,
            "state": self.state,
        }
        return save_artefact(folder, FACTS_FILE, self.state_dict(), {"inputs": {}, **facts, **ours})

    @classmethod
    def load(cls, folder: Path, inputs: Mapping[str, str] | None = None) -> "Classifier":
        """The classifier saved in a folder, ready to predict, and made from `inputs` (name -> fingerprint).

        Raises:
            FileNotFoundError: the folder holds no classifier.
            ValueError: the weights or the inputs are not those that `classifier.json` describes, or an older version
                of this program wrote it.
        """
        tensors, facts = load_artefact(folder, FACTS_FILE)
        for name, wanted in (inputs or {}).items():
            made_from = facts["inputs"].get(name)
            if made_from != wanted:
                raise ValueError(f"{folder} was made from {name} {made_from}, not from {wanted}; train it again")
        if "level_parents" not in facts:
            raise ValueError(f"{folder} is of an older version, which kept no parents of categories; train it again")
        encoder = facts["encoder"]
        backbone = create_backbone(encoder["backbone"], encoder["resolution"])
        classifier = cls(
            Encoder(encoder["backbone"], backbone, encoder["resolution"], encoder["origin"]),
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
    """A hidden layer of this width and the width of what comes out; no layer at all if `width` is None."""
    if width is None:
        return nn.Identity(), dim
    return nn.Sequential(nn.Linear(dim, width), nn.LayerNorm(width), nn.ReLU(inplace=True)), width
