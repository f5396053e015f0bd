"""Proposes trials by Optuna's TPE; a resumed search gets the same proposals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate, Space

NUM_RANDOM = 10  # random trials before TPE starts: Optuna's default


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return a space as Optuna's distributions."""
    chosen = {name: CategoricalDistribution(values) for name, values in space.choices().items()}
    ranges = {name: FloatDistribution(low, high, log=True) for name, (low, high) in space.ranges().items()}
    return {**chosen, **ranges}


def first_bracket(recipe: SearchRecipe, proposals: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the trials known in advance: earlier proposals, then the rest of the evenly spread first bracket."""
    spread = recipe.space.spread(recipe.bracket_size, recipe.seed)
    return (*proposals, *spread[len(proposals) :])


class ReproducibleTPE(BaseSampler):
    """TPE (Bergstra et al. 2011) whose draws depend on the seed, the trial's number and the results only."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tpe: BaseSampler = TPESampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        seed = int(np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0])
        self._tpe = TPESampler(n_startup_trials=NUM_RANDOM, seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)
