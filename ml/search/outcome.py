"""The outcome of a search: why it ended, what it spent, and its winner."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ml.recipe_types import ClassifierRecipe
from ml.search.ledger import WITHOUT_FAILURE, Attempt
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate

EndReason = Literal["goal", "budget", "trials", "failures"]
MAX_FAILURES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best trial: its validation metric and the recipe that trains it; on rung 0 a probe of its encoder.

    A probe's `metric` is that of a logistic regression on the encoder's embeddings, and its recipe a probe on them. A
    training that the budget stopped has the metric of its best epoch, and a recipe of as many epochs.
    """

    candidate: Candidate
    rung: int
    metric: float
    recipe: ClassifierRecipe
    is_stopped: bool = False

    def description(self) -> str:
        """Describe the kind of the winner."""
        if self.rung == 0:
            return f"a probe of {self.candidate.encoder}"
        epochs = self.recipe.optimization.epochs
        cut = " of a training that the budget stopped" if self.is_stopped else ""
        return f"a fine-tuning of {self.candidate.encoder}, {epochs} epoch{'s' if epochs != 1 else ''}{cut}"


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """The result of a search: why it ended, the device seconds of its budget and spent, and the winner.

    There is no winner only where no probe finished; `failures` has the distinct reasons of attempts that failed.
    """

    reason: EndReason
    budget_s: float  # infinite if no training was measured for a relative budget
    device_seconds: float
    winner: Winner | None
    failures: Sequence[str] = ()

    def sentence(self, recipe: SearchRecipe) -> str:
        """Describe why the search ended, and what is the best so far."""
        budget = str(recipe.budget)
        if recipe.budget.seconds is None and math.isfinite(self.budget_s):
            budget = f"{budget}, which is {self.budget_s:.1f} device seconds"
        parts = [
            {
                "goal": f"a trial reached the goal: {recipe.metric} of at least {recipe.goal}",
                "budget": f"no further rung fits the budget of {budget}",
                "trials": f"all {recipe.max_trials} trials have run",
                "failures": f"the probe of every encoder failed: {', '.join(recipe.space.encoders)}",
            }[self.reason]
        ]
        if recipe.goal is not None and self.reason != "goal":
            parts.append(f"no trial reached the goal of {recipe.goal}")
        if self.winner is not None:
            parts.append(f"the best is {self.winner.description()}, with {recipe.metric} {self.winner.metric:.4f}")
        if self.failures:
            further = len(self.failures) - MAX_FAILURES_SHOWN
            shown = [*self.failures[:MAX_FAILURES_SHOWN], *([f"{further} further reasons"] if further > 0 else [])]
            parts.append(f"attempts failed ({', '.join(shown)})")
        parts.append(f"{self.device_seconds:.1f} device seconds were spent")
        return "; ".join(parts)


def failures_of(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Returns the distinct states and reasons of attempts that failed, in their order."""
    failed = [each for each in attempts if each.metric is None and each.state not in WITHOUT_FAILURE]
    return tuple(dict.fromkeys(f"{each.state}: {each.reason}" for each in failed))
