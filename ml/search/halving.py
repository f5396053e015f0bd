"""Successive halving under a budget: derives the next step of a search from its ledger alone.

Trials are proposed in brackets. All trials of a bracket run the first rung, the best one in `eta` of them the second,
and so on (Jamieson and Talwalkar 2016, arXiv:1502.07943); the next bracket's trials are proposed from the results, as
in BOHB (Falkner et al. 2018, arXiv:1807.01774). ASHA (Li et al. 2020, arXiv:1810.05934) promotes before a rung is
complete, so that no device is idle; with one device there is no need.

Each rung trains from the start on its own schedule. Continuing from the weights of the rung below would be misleading:
its learning rate has already decayed to zero, so its score is that of a finished training, and a warm restart is not
the training that the resulting recipe describes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ml.recipe_types import ClassifierRecipe
from ml.search.ledger import Attempt, Ledger
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate

EndReason = Literal["goal", "budget", "trials"]


@dataclass(frozen=True)
class RunRung:
    """The next step: run this rung of this candidate."""

    candidate: Candidate
    rung: int


@dataclass(frozen=True)
class ProposeTrial:
    """The next step: propose another trial."""


@dataclass(frozen=True)
class SearchEnd:
    """The search is over: goal reached, no further rung fits the budget, or all trials have run."""

    reason: EndReason


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best finished trial: its validation metric and the recipe that reproduces it."""

    candidate: Candidate
    rung: int
    metric: float
    recipe: ClassifierRecipe


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """The result of a search: why it ended, the device seconds spent, and the winner; None if no trial finished."""

    reason: EndReason
    device_seconds: float
    winner: Winner | None

    def sentence(self, recipe: SearchRecipe) -> str:
        """Describe why the search ended."""
        why = {
            "goal": f"a trial reached the goal: {recipe.metric} of at least {recipe.goal}",
            "budget": f"no further rung fits the budget of {recipe.budget_s:g} device seconds",
            "trials": f"all {recipe.max_trials} trials have run",
        }[self.reason]
        missed = "" if recipe.goal is None or self.reason == "goal" else f"; no trial reached the goal of {recipe.goal}"
        return f"{why}{missed}; {self.device_seconds:.1f} device seconds were spent"


class SearchState:
    """The state of a search, derived from its recipe and ledger."""

    def __init__(self, recipe: SearchRecipe, proposals: Sequence[Candidate], attempts: Sequence[Attempt]) -> None:
        self.recipe, self.proposals, self.attempts = recipe, proposals, attempts
        self.candidates = {candidate.trial: candidate for candidate in proposals}
        self.spent_s = sum(attempt.device_seconds for attempt in attempts)
        self._ended = {
            (attempt.trial, attempt.rung): attempt
            for attempt in attempts
            if attempt.state not in ("running", "interrupted")
        }

    @classmethod
    def of(cls, recipe: SearchRecipe, ledger: Ledger) -> "SearchState":
        """Build from the current entries of a ledger."""
        return cls(recipe, ledger.proposals(), ledger.attempts())

    def next_step(self) -> RunRung | ProposeTrial | SearchEnd:
        """Return the next step, which depends on the recipe and the ledger only."""
        if self.recipe.goal is not None and any(each.metric >= self.recipe.goal for each in self.finished()):
            return SearchEnd("goal")
        for attempt in self.attempts:
            if (
                attempt.state == "running"
            ):  # it fitted the budget when it began; its seconds are already counted as spent
                return RunRung(self.candidates[attempt.trial], attempt.rung)
        if self.spent_s >= self.recipe.budget_s:
            return SearchEnd("budget")
        size = self.recipe.bracket_size
        start = max(0, len(self.proposals) - 1) // size * size
        bracket = self._distinct(self.proposals[start:])
        is_full = len(self.proposals) in (start + size, self.recipe.max_trials)
        for rung, candidates in self.rungs(bracket):
            pending = [each for each in candidates if (each.trial, rung) not in self._ended]
            if pending:
                return self._within_budget(pending[0], rung, bracket)
            if not is_full:
                return ProposeTrial()  # the next rung starts when the bracket has finished this one
        return SearchEnd("trials") if len(self.proposals) >= self.recipe.max_trials else ProposeTrial()

    def rungs(self, bracket: Sequence[Candidate]) -> Iterator[tuple[int, list[Candidate]]]:
        """Yield each rung of a bracket and its candidates, up to the first rung that has not ended for all of them."""
        rung, candidates = 0, list(bracket)
        while candidates:
            yield rung, candidates
            if rung == self.recipe.last_rung:
                return
            passed = [each for each in candidates if self.metric(each, rung) is not None]
            passed.sort(key=lambda each: -(self.metric(each, rung) or 0.0))  # stable: ties go to the earlier
            candidates = passed[: math.ceil(len(candidates) / self.recipe.eta)]
            # A single candidate has no competitor, so it goes straight to the last rung.
            rung = self.recipe.last_rung if len(candidates) == 1 else rung + 1

    def metric(self, candidate: Candidate, rung: int) -> float | None:
        """Return a candidate's metric on a rung; None if it has not finished that rung."""
        attempt = self._ended.get((candidate.trial, rung))
        return None if attempt is None else attempt.metric

    def best_so_far(self, candidate: Candidate) -> tuple[int, float] | None:
        """Return the highest rung that a candidate finished, and its metric there."""
        reached = [
            (rung, metric)
            for rung in range(self.recipe.num_rungs)
            if (metric := self.metric(candidate, rung)) is not None
        ]
        return max(reached, default=None)

    def failure(self, candidate: Candidate) -> Attempt | None:
        """Return the attempt with which a candidate failed; None if it did not."""
        for (trial, _), attempt in self._ended.items():
            if trial == candidate.trial and attempt.metric is None:
                return attempt
        return None

    def finished(self) -> list[Winner]:
        """Return the finished trials: trained for all their epochs, or for fewer with the goal reached."""
        recipe, goal = self.recipe, self.recipe.goal
        found = []
        for (trial, rung), attempt in self._ended.items():
            is_last = rung == recipe.last_rung
            if attempt.metric is None or rung == 0 or not (is_last or (goal is not None and attempt.metric >= goal)):
                continue
            found_recipe = self.candidates[trial].recipe(recipe.base, f"search-{recipe.name}", attempt.epochs)
            found.append(
                Winner(candidate=self.candidates[trial], rung=rung, metric=attempt.metric, recipe=found_recipe)
            )
        return found

    def outcome(self, reason: EndReason) -> SearchOutcome:
        """Return the outcome if the search ends now; ties go to the trial that finished first."""
        winner = max(self.finished(), key=lambda each: each.metric, default=None)
        return SearchOutcome(reason=reason, device_seconds=self.spent_s, winner=winner)

    def predicted_s(self, candidate: Candidate, rung: int) -> float:
        """Predict the device seconds of a rung from the epochs of its encoder so far, or else of all encoders.

        Before the first training nothing is known, and the prediction is 0.
        """
        if rung == 0:  # an encoder is probed only once
            return 0.0
        by_encoder: dict[str, float] = {}
        for attempt in self._ended.values():
            if attempt.rung > 0 and attempt.metric is not None:
                by_encoder[self.candidates[attempt.trial].encoder] = attempt.device_seconds / attempt.epochs
        if not by_encoder:
            return 0.0
        epoch_s = by_encoder.get(candidate.encoder, sum(by_encoder.values()) / len(by_encoder))
        return epoch_s * self.recipe.epochs(candidate, rung)

    def _within_budget(self, candidate: Candidate, rung: int, bracket: Sequence[Candidate]) -> RunRung | SearchEnd:
        """The rung if it fits the budget. The cost of one last rung is reserved until a trial has finished."""
        left_s = self.recipe.budget_s - self.spent_s
        next_s, last = self.predicted_s(candidate, rung), self.recipe.last_rung
        if rung == last or self.finished():
            return RunRung(candidate, rung) if next_s <= left_s else SearchEnd("budget")
        reached = [
            (best_so_far, each)
            for each in bracket
            if (best_so_far := self.best_so_far(each)) and not self.failure(each)
        ]
        if not reached:
            return RunRung(candidate, rung)
        best = max(reached, key=lambda one: one[0])[1]
        if next_s + self.predicted_s(best, last) <= left_s:
            return RunRung(candidate, rung)
        return RunRung(best, last) if self.predicted_s(best, last) <= left_s else SearchEnd("budget")

    @staticmethod
    def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
        return list({candidate.trial: candidate for candidate in candidates}.values())
