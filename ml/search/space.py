"""The space of a search: encoders of the library and the settings of their fine-tuning."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ml.recipe_types import DEFAULT_EXECUTION, Augmentation, ClassifierRecipe, Range
from ml.recipes import PROBE

WARMUP_SHARE = 0.1  # of the epochs of a rung
LOGARITHMIC = ("lr", "encoder_lr_factor", "weight_decay")
CHOSEN = ("encoder", "epochs", "label_smoothing", "augmentation")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One point of a space. `epochs` are those of its last rung; `augmentation` is a strength from 0 to 1."""

    encoder: str
    lr: float
    encoder_lr_factor: float
    weight_decay: float
    epochs: int
    label_smoothing: float
    augmentation: float

    @cached_property
    def trial(self) -> str:
        """The name in ledgers and tables: a hash of the point."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Candidate":
        """Build from fields, as `asdict` returns them."""
        return cls(**params)

    def recipe(self, base: ClassifierRecipe, name: str, epochs: int) -> ClassifierRecipe:
        """Return the base recipe with this candidate's encoder and settings, on a schedule of `epochs`."""
        optimization = replace(
            base.optimization,
            epochs=epochs,
            warmup_epochs=WARMUP_SHARE * epochs,
            lr=self.lr,
            encoder_lr_factor=self.encoder_lr_factor,
            weight_decay=self.weight_decay,
        )
        return replace(
            base,
            name=name,
            encoder=self.encoder,
            mode="finetune",
            optimization=optimization,
            label_smoothing=self.label_smoothing,
            augmentation=augmentation_of(self.augmentation),
        )

    def probe_recipe(self, base: ClassifierRecipe, name: str) -> ClassifierRecipe:
        """Return a linear probe of this candidate's encoder with the heads, loss and labels of the base recipe."""
        return replace(
            base,
            name=name,
            encoder=self.encoder,
            mode="probe",
            optimization=PROBE.optimization,
            projector_dim=None,
            predictor_dim=None,
            label_smoothing=0.0,
            tuned_share=1.0,
            augmentation=None,
            mixing=None,
            patience=None,
            execution=DEFAULT_EXECUTION,
        )


def augmentation_of(strength: float) -> Augmentation:
    """Return an augmentation by strength: from mirroring only (0) to small crops with changed colors (1)."""
    return Augmentation(
        crop_scale=(1 - 0.6 * strength, 1.0),
        jitter_probability=0.8 * strength,
        gray_probability=0.1 * strength,
    )


@dataclass(frozen=True, kw_only=True)
class Space:
    """The space of a search: names of library encoders, logarithmic ranges (low, high) and choices.

    A range with equal ends, or a single choice, is fixed.

    Raises:
        ValueError: a choice is empty or has duplicates, or a range is not 0 < low <= high.
    """

    encoders: tuple[str, ...]
    lr: Range = (1e-3, 2e-2)
    encoder_lr_factor: Range = (0.05, 1.0)
    weight_decay: Range = (1e-3, 0.2)
    epochs: tuple[int, ...] = (12,)
    label_smoothing: tuple[float, ...] = (0.0, 0.1)
    augmentation: tuple[float, ...] = (0.0, 0.5)

    def __post_init__(self) -> None:
        for name, values in self.choices().items():
            if not values or len(set(values)) != len(values):
                raise ValueError(f"the space has the {name} choices {values}; give at least one, and none twice")
        for name, (low, high) in self.ranges().items():
            if not 0 < low <= high < math.inf:
                raise ValueError(f"the space has {name} from {low} to {high}; give 0 < low <= high")

    def ranges(self) -> dict[str, Range]:
        """Return the logarithmic ranges, by the field of a candidate."""
        return {name: getattr(self, name) for name in LOGARITHMIC}

    def choices(self) -> dict[str, tuple[str | int | float, ...]]:
        """Return the choices, by the field of a candidate."""
        return {name: getattr(self, "encoders" if name == "encoder" else name) for name in CHOSEN}

    def spread(self, num: int, seed: int) -> tuple[Candidate, ...]:
        """Draw `num` evenly spread candidates; the choices of a field occur equally often, up to one.

        A Latin hypercube (McKay, Beckman and Conover 1979, Technometrics 21(2)): each of `num` equal parts of a range
        has one candidate.
        """
        rng = np.random.default_rng(seed)
        chosen = {name: list(_evenly(values, num, rng)) for name, values in self.choices().items()}
        placed = {name: (rng.permutation(num) + rng.random(num)) / num for name in self.ranges()}
        candidates = []
        for each in range(num):
            values: dict[str, Any] = {name: column[each] for name, column in chosen.items()}
            for name, (low, high) in self.ranges().items():
                values[name] = float(np.clip(low * (high / low) ** placed[name][each], low, high))
            candidates.append(Candidate(**values))
        return tuple(candidates)


def _evenly(values: tuple[Any, ...], num: int, rng: np.random.Generator) -> Iterator[Any]:
    """Yield `num` values: rounds of all of them, each round shuffled."""
    for start in range(0, num, len(values)):
        for index in rng.permutation(len(values))[: num - start]:
            yield values[index]
