"""Successive halving under a budget: derives the next step of a search from its ledger alone.

Trials are proposed in brackets. All trials of a bracket run the first rung, the best one in `eta` of them the second,
and so on (Jamieson and Talwalkar 2016, arXiv:1502.07943); the next bracket's trials are proposed from the results, as
in BOHB (Falkner et al. 2018, arXiv:1807.01774). ASHA (Li et al. 2020, arXiv:1810.05934) promotes before a rung is
complete, so that no device is idle; with one device there is no need.

Each rung trains from the start on its own schedule. Continuing from the weights of the rung below would be misleading:
its learning rate has already decayed to zero, so its score is that of a finished training, and a warm restart is not
the training that the resulting recipe describes. So every finished rung is a finished classifier, the probe included,
and the best of all is the winner.

The budget. A rung begins only where its predicted seconds (`ml.search.costs`) fit into what is left, and is stopped if
its own steps show that they do not (`ml.search.pace`). Three things may exceed a budget: the probe without which there
would be no winner; a last probe, since its cost is predicted by those of other encoders; and a running rung by the
tolerance of `ml.search.pace`. A relative budget is known, and counts, once the first bracket has been probed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ml.search.costs import Costs
from ml.search.ledger import Attempt, Ledger
from ml.search.outcome import EndReason, SearchOutcome, Winner, failures_of
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate


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
    """The search is over: goal reached, no further rung fits the budget, all trials have run, or all probes failed."""

    reason: EndReason


class SearchState:
    """The state of a search, derived from its recipe and ledger."""

    def __init__(self, recipe: SearchRecipe, proposals: Sequence[Candidate], attempts: Sequence[Attempt]) -> None:
        self.recipe, self.proposals, self.attempts = recipe, proposals, attempts
        self.candidates = {candidate.trial: candidate for candidate in proposals}
        self.spent_s = sum(attempt.device_seconds for attempt in attempts)
        self._costs = Costs(recipe, self.candidates, attempts)
        self._ended = {
            (attempt.trial, attempt.rung): attempt
            for attempt in attempts
            if attempt.state not in ("running", "interrupted", "stopped")
        }
        self._has_finished = any(attempt.metric is not None for attempt in attempts)

    @classmethod
    def of(cls, recipe: SearchRecipe, ledger: Ledger) -> "SearchState":
        """Build from the current entries of a ledger."""
        return cls(recipe, ledger.proposals(), ledger.attempts())

    @cached_property
    def budget_s(self) -> float:
        """The budget in device seconds; infinite until the first bracket has been probed, if it is relative."""
        first = self.proposals[: min(self.recipe.bracket_size, self.recipe.max_trials)]
        is_probed = len(first) == min(self.recipe.bracket_size, self.recipe.max_trials) and all(
            (each.trial, 0) in self._ended for each in first
        )
        return self.recipe.budget.in_seconds(self._costs.cheapest_training_s(first) if is_probed else None)

    @property
    def left_s(self) -> float:
        """The device seconds of the budget that are not spent yet; negative where more was spent."""
        return self.budget_s - self.spent_s

    def next_step(self) -> RunRung | ProposeTrial | SearchEnd:
        """Return the next step, which depends on the recipe and the ledger only."""
        running = next((each for each in self.attempts if each.state == "running"), None)
        if reason := self._reason_to_end(is_running=running is not None):
            return SearchEnd(reason)
        if running is not None:  # it fitted the budget when it began; its seconds are already counted as spent
            return RunRung(self.candidates[running.trial], running.rung)
        return self._next_of_bracket()

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
        """Return every finished classifier: probes, trainings of any rung, and best epochs of stopped trainings."""
        base, name = self.recipe.base, f"search-{self.recipe.name}"
        found = []
        for each in self.attempts:
            if each.metric is None:
                continue
            candidate = self.candidates[each.trial]
            recipe = candidate.recipe(base, name, each.epochs) if each.rung else candidate.probe_recipe(base, name)
            found.append(
                Winner(
                    candidate=candidate,
                    rung=each.rung,
                    metric=each.metric,
                    recipe=recipe,
                    is_stopped=each.state == "stopped",
                )
            )
        return found

    def outcome(self, reason: EndReason) -> SearchOutcome:
        """Return the outcome if the search ends now; ties go to the classifier that finished first."""
        return SearchOutcome(
            reason=reason,
            budget_s=self.budget_s,
            device_seconds=self.spent_s,
            winner=max(self.finished(), key=lambda each: each.metric, default=None),
            failures=failures_of(self.attempts),
        )

    def _reason_to_end(self, *, is_running: bool) -> EndReason | None:
        goal = self.recipe.goal
        if goal is not None and any(each.metric is not None and each.metric >= goal for each in self.attempts):
            return "goal"
        if self._has_finished:
            return "budget" if self.left_s <= 0 and not is_running else None
        return "failures" if self._have_all_probes_failed() else None

    def _next_of_bracket(self) -> RunRung | ProposeTrial | SearchEnd:
        """The next step of the newest bracket, or the first of another one."""
        size = self.recipe.bracket_size
        start = max(0, len(self.proposals) - 1) // size * size
        bracket = self._distinct(self.proposals[start:])
        is_full = len(self.proposals) in (start + size, self.recipe.max_trials)
        is_short = False  # of budget
        for rung, candidates in self.rungs(bracket):
            pending = [each for each in candidates if (each.trial, rung) not in self._ended]
            if affordable := [each for each in pending if self._fits(each, rung)]:
                return self._reserving(affordable[0], rung, bracket)
            is_short = is_short or bool(pending)
            if not is_full and not is_short:
                return ProposeTrial()  # the next rung starts when the bracket has finished this one
        if is_short:
            return self._cheaper(bracket) or SearchEnd("budget")
        return SearchEnd("trials") if len(self.proposals) >= self.recipe.max_trials else ProposeTrial()

    def _have_all_probes_failed(self) -> bool:
        ended = [attempt for (_, rung), attempt in self._ended.items() if rung == 0]
        failed = {self.candidates[each.trial].encoder for each in ended if each.metric is None}
        return failed >= set(self.recipe.space.encoders)

    def _fits(self, candidate: Candidate, rung: int) -> bool:
        """True if the rung is predicted to fit the budget; the probes up to the first that finishes always do."""
        return not self._has_finished or self._costs.rung_s(candidate, rung) <= self.left_s

    def _reserving(self, candidate: Candidate, rung: int, bracket: Sequence[Candidate]) -> RunRung:
        """The rung, unless it would leave too little for the first full training: then that of the best candidate."""
        last = self.recipe.last_rung
        has_full = any(rung == last and each.metric is not None for (_, rung), each in self._ended.items())
        trainable = [one for one in self._reached(bracket) if self._fits(one[1], last)]
        if rung == last or has_full or not trainable:
            return RunRung(candidate, rung)
        best = max(trainable, key=lambda one: one[0])[1]
        needed_s = self._costs.rung_s(candidate, rung) + self._costs.rung_s(best, last)
        return RunRung(candidate, rung) if needed_s <= self.left_s else RunRung(best, last)

    def _cheaper(self, bracket: Sequence[Candidate]) -> RunRung | None:
        """The next rung of the best candidate whose next rung fits, where the promoted ones no longer do."""
        reached = sorted(self._reached(bracket), key=lambda one: one[0], reverse=True)  # ties go to the earlier
        for (rung, _), candidate in reached:
            if rung < self.recipe.last_rung and self._fits(candidate, rung + 1):
                return self._reserving(candidate, rung + 1, bracket)
        return None

    def _reached(self, bracket: Sequence[Candidate]) -> list[tuple[tuple[int, float], Candidate]]:
        """The candidates of a bracket that did not fail, with the highest rung that each finished and its metric."""
        without_failure = [each for each in bracket if not self.failure(each)]
        return [(best, each) for each in without_failure if (best := self.best_so_far(each))]

    @staticmethod
    def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
        return list({candidate.trial: candidate for candidate in candidates}.values())
