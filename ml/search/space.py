"""The space of a search: encoders of the library, and what their fine-tuning may be set to."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ml.recipe_types import Augmentation, ClassifierRecipe, Range

WARMUP_SHARE = 0.1  # of the epochs, however few a rung has
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

    @property
    def trial(self) -> str:
        """Its name in ledgers and tables: the same point, and only it, has the same."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Candidate":
        """The candidate whose fields these are, as `asdict` gives them."""
        return cls(**params)

    def recipe(self, base: ClassifierRecipe, name: str, epochs: int) -> ClassifierRecipe:
        """The base with this candidate's encoder and settings, on a schedule of so many epochs."""
        optimisation = replace(
            base.optimisation,
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
            optimisation=optimisation,
            label_smoothing=self.label_smoothing,
            augmentation=augmentation_of(self.augmentation),
        )


def augmentation_of(strength: float) -> Augmentation:
    """Random views from mere mirroring (0) to small crops in other colours (1)."""
    return Augmentation(
        crop_scale=(1 - 0.6 * strength, 1.0),
        jitter_probability=0.8 * strength,
        grey_probability=0.1 * strength,
    )


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a search may choose from: names of the encoder library, ranges (low, high; logarithmic) and choices.

    A range with equal ends, or a single choice, is fixed.

    Raises:
        ValueError: there is nothing to choose from, or a range does not ascend from above 0.
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
        """The logarithmic ranges, by the field of a candidate."""
        return {name: getattr(self, name) for name in LOGARITHMIC}

    def choices(self) -> dict[str, tuple[str | int | float, ...]]:
        """The choices, by the field of a candidate."""
        return {name: getattr(self, "encoders" if name == "encoder" else name) for name in CHOSEN}

    def spread(self, num: int, seed: int) -> tuple[Candidate, ...]:
        """So many candidates, spread evenly and drawn by the seed: each choice as often as any other, give or take one.

        A Latin hypercube (McKay, Beckman and Conover 1979, Technometrics 21(2)): of `num` equal parts of a range each
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
    """`num` of the values: rounds of all of them, each round in an order of its own."""
    for start in range(0, num, len(values)):
        for index in rng.permutation(len(values))[: num - start]:
            yield values[index]
