"""Search recipes: complete, named, frozen configurations of searches. This file does not import PyTorch."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from ml.recipe_types import ClassifierRecipe
from ml.recipes import DEMO_ENCODERS, FINETUNE_5PCT
from ml.search.budget import Budget
from ml.search.metrics import Score
from ml.search.space import Candidate, Space


@dataclass(frozen=True, kw_only=True)
class SearchRecipe:
    """A search: its space, goal, budget and successive halving.

    It ends when a trial reaches the `goal` (metric >= goal, on validation), or when no further rung fits the `budget`:
    device seconds, or a multiple of a full training of the cheapest candidate, which scales with the data. A probe
    always runs, so there is a best classifier whatever the budget.

    Trials are proposed in brackets of `bracket_size`. Rung 0 is a probe on cached embeddings; one in `eta` of the
    trials on a rung is promoted to the next, and rung r of R trains for the candidate's epochs / eta^(R - r). `base`
    has all settings that are not searched, among them the share of the labels.

    Raises:
        ValueError: a size or a name is invalid; the message names it.
    """

    name: str
    space: Space
    budget: Budget
    base: ClassifierRecipe
    metric: str = "top1"
    goal: float | None = None
    searcher: str = "ray_tune"
    bracket_size: int = 24
    eta: int = 4
    num_rungs: int = 4
    max_trials: int = 240
    seed: int = 0

    def __post_init__(self) -> None:
        Score(self.metric)
        least = {"bracket_size": 1, "eta": 2, "num_rungs": 2, "max_trials": 1}
        for field, minimum in least.items():
            if getattr(self, field) < minimum:
                raise ValueError(f"search {self.name!r} has {field} {getattr(self, field)}; give at least {minimum}")
        base = self.base
        if base.distillation or base.semi_supervised or base.loss == "value_weighted":
            raise ValueError(
                f"search {self.name!r} trains on labeled images alone, but its base {base.name!r} needs a "
                "teacher, unlabeled images or business values; add them to the resulting recipe instead"
            )

    @property
    def last_rung(self) -> int:
        """The rung on which a candidate trains for all its epochs."""
        return self.num_rungs - 1

    def epochs(self, candidate: Candidate, rung: int) -> int:
        """Return the number of epochs of a candidate on a rung; 0 on rung 0, the probe."""
        return 0 if rung == 0 else max(1, round(candidate.epochs / self.eta ** (self.last_rung - rung)))

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of what determines the trials and their results; goal and budget may change."""
        free = ("name", "goal", "budget", "searcher", "max_trials")
        settings = {name: value for name, value in asdict(self).items() if name not in free}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


ALL_LABELS = replace(FINETUNE_5PCT, name="search", label_fraction=1.0)
LIBRARY = SearchRecipe(
    name="library",
    space=Space(encoders=tuple(name for name, recipe in DEMO_ENCODERS.items() if recipe.resolution < 224)),
    budget=Budget(seconds=4 * 3600.0),
    base=ALL_LABELS,
    goal=0.95,
)
SEARCH_RECIPES: dict[str, SearchRecipe] = {
    recipe.name: recipe
    for recipe in (
        LIBRARY,
        # Two encoders: about two full trainings of the more expensive one.
        SearchRecipe(
            name="quick",
            space=Space(encoders=("imagenet-lite0", "simclr-mnv3"), epochs=(6,)),
            budget=Budget(full_trainings=10.0),
            base=ALL_LABELS,
            bracket_size=6,
            eta=3,
            num_rungs=3,
            max_trials=6,
        ),
    )
}
