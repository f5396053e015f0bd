"""Successive halving under a budget: what a search does next, told from its ledger alone.

Trials come in brackets. All of a bracket go through the first rung, the best one in `eta` of them through the second,
and so on (Jamieson and Talwalkar 2016, arXiv:1502.07943); the next bracket's trials are drawn knowing the results, as
in BOHB (Falkner et al. 2018, arXiv:1807.01774). ASHA (Li et al. 2020, arXiv:1810.05934) promotes before a rung is
complete, so that no device waits for another; on one device there is nothing to wait for.

A rung trains anew on its own schedule. Going on from the former rung's weights would not be honest: its learning rate
came down to nothing, so that its score is that of a finished training, and a warm restart is another training than the
one which the recipe found describes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ml.recipe_types import ClassifierRecipe
from ml.search.ledger import Attempt, Ledger
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate

Reason = Literal["goal", "budget", "trials"]


@dataclass(frozen=True)
class Run:
    """Run this rung of this candidate."""

    candidate: Candidate
    rung: int


@dataclass(frozen=True)
class Propose:
    """Let another trial come."""


@dataclass(frozen=True)
class End:
    """The search is over: a trial reached the goal, the budget bears no further rung, or all trials came."""

    reason: Reason


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best finished trial: its metric on validation, and the recipe that trains it again."""

    candidate: Candidate
    rung: int
    metric: float
    recipe: ClassifierRecipe


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a search ended, what it spent, and its winner; None where no trial had finished by then."""

    reason: Reason
    device_seconds: float
    winner: Winner | None

    def sentence(self, recipe: SearchRecipe) -> str:
        """Why it ended, for people."""
        why = {
            "goal": f"a trial reached the goal: {recipe.metric} of at least {recipe.goal}",
            "budget": f"the budget of {recipe.budget_s:g} device seconds bears no further rung",
            "trials": f"all {recipe.max_trials} trials had come",
        }[self.reason]
        missed = "" if recipe.goal is None or self.reason == "goal" else f"; no trial reached the goal of {recipe.goal}"
        return f"{why}{missed}; {self.device_seconds:.1f} device seconds were spent"


class Standing:
    """How far a search has come, by its ledger."""

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
    def of(cls, recipe: SearchRecipe, ledger: Ledger) -> "Standing":
        """That of a ledger as it now is."""
        return cls(recipe, ledger.proposals(), ledger.attempts())

    def next_step(self) -> Run | Propose | End:
        """What comes next; it depends on nothing but the recipe and the ledger."""
        if self.recipe.goal is not None and any(each.metric >= self.recipe.goal for each in self.finished()):
            return End("goal")
        for attempt in self.attempts:
            if attempt.state == "running":  # the budget bore it when it began, and its seconds are among those spent
                return Run(self.candidates[attempt.trial], attempt.rung)
        if self.spent_s >= self.recipe.budget_s:
            return End("budget")
        size = self.recipe.bracket_size
        start = max(0, len(self.proposals) - 1) // size * size
        bracket = self._distinct(self.proposals[start:])
        is_full = len(self.proposals) in (start + size, self.recipe.max_trials)
        for rung, entrants in self.rungs(bracket):
            waiting = [each for each in entrants if (each.trial, rung) not in self._ended]
            if waiting:
                return self._afford(waiting[0], rung, bracket)
            if not is_full:
                return Propose()  # the rung above begins when all have been on this one
        return End("trials") if len(self.proposals) >= self.recipe.max_trials else Propose()

    def rungs(self, bracket: Sequence[Candidate]) -> Iterator[tuple[int, list[Candidate]]]:
        """Each rung of a bracket and who enters it, as far as the rung below has ended for all."""
        rung, entrants = 0, list(bracket)
        while entrants:
            yield rung, entrants
            if rung == self.recipe.last_rung:
                return
            passed = [each for each in entrants if self.metric(each, rung) is not None]
            passed.sort(key=lambda each: -(self.metric(each, rung) or 0.0))  # stable: of equals the earlier
            entrants = passed[: math.ceil(len(entrants) / self.recipe.eta)]
            # One that is alone has nobody to be compared with before the last rung.
            rung = self.recipe.last_rung if len(entrants) == 1 else rung + 1

    def metric(self, candidate: Candidate, rung: int) -> float | None:
        """What a candidate reached on a rung; None where it has not finished that rung."""
        attempt = self._ended.get((candidate.trial, rung))
        return None if attempt is None else attempt.metric

    def best_so_far(self, candidate: Candidate) -> tuple[int, float] | None:
        """The highest rung that a candidate finished, and its metric there."""
        reached = [
            (rung, metric)
            for rung in range(self.recipe.num_rungs)
            if (metric := self.metric(candidate, rung)) is not None
        ]
        return max(reached, default=None)

    def failure(self, candidate: Candidate) -> str | None:
        """Why a candidate is out of the search; None while it is not."""
        for (trial, _), attempt in self._ended.items():
            if trial == candidate.trial and attempt.metric is None:
                return f"{attempt.state}: {attempt.reason}"
        return None

    def finished(self) -> list[Winner]:
        """Every finished trial: one that trained for all its epochs, or whose shorter training reached the goal."""
        recipe, goal = self.recipe, self.recipe.goal
        found = []
        for (trial, rung), attempt in self._ended.items():
            is_last = rung == recipe.last_rung
            if attempt.metric is None or rung == 0 or not (is_last or (goal is not None and attempt.metric >= goal)):
                continue
            made = self.candidates[trial].recipe(recipe.base, f"search-{recipe.name}", attempt.epochs)
            found.append(Winner(candidate=self.candidates[trial], rung=rung, metric=attempt.metric, recipe=made))
        return found

    def outcome(self, reason: Reason) -> Outcome:
        """How the search stands if it ends now; of equally good trials the one that finished first wins."""
        winner = max(self.finished(), key=lambda each: each.metric, default=None)
        return Outcome(reason=reason, device_seconds=self.spent_s, winner=winner)

    def predicted_s(self, candidate: Candidate, rung: int) -> float:
        """What a rung will take, by what an epoch (or the probe) of its encoder took so far, or else of any encoder.

        Nothing is known before the first rung of a kind, so the first is let through.
        """
        if rung == 0:  # a probe of an encoder is made once
            return 0.0
        by_encoder: dict[str, float] = {}
        for attempt in self._ended.values():
            if attempt.rung > 0 and attempt.metric is not None:
                by_encoder[self.candidates[attempt.trial].encoder] = attempt.device_seconds / attempt.epochs
        if not by_encoder:
            return 0.0
        epoch_s = by_encoder.get(candidate.encoder, sum(by_encoder.values()) / len(by_encoder))
        return epoch_s * self.recipe.epochs(candidate, rung)

    def _afford(self, candidate: Candidate, rung: int, bracket: Sequence[Candidate]) -> Run | End:
        """The rung if the budget bears it. What one last rung takes is kept back until a trial has finished."""
        left_s = self.recipe.budget_s - self.spent_s
        next_s, last = self.predicted_s(candidate, rung), self.recipe.last_rung
        if rung == last or self.finished():
            return Run(candidate, rung) if next_s <= left_s else End("budget")
        reached = [
            (standing, each) for each in bracket if (standing := self.best_so_far(each)) and not self.failure(each)
        ]
        if not reached:
            return Run(candidate, rung)
        best = max(reached, key=lambda one: one[0])[1]
        if next_s + self.predicted_s(best, last) <= left_s:
            return Run(candidate, rung)
        return Run(best, last) if self.predicted_s(best, last) <= left_s else End("budget")

    @staticmethod
    def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
        return list({candidate.trial: candidate for candidate in candidates}.values())
