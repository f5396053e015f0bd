"""A search simulated without an engine or training: its rungs take the seconds of a fake clock."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ml.search.halving import ProposeTrial, RunRung, SearchEnd, SearchState
from ml.search.ledger import Attempt, State
from ml.search.pace import OutOfBudget, Pace
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from tests.ml.search.formula import value


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The seconds of an encoder: an epoch of `num_steps` steps, its probe, an evaluation; and its faults.

    The first rung of `failing_rungs` is 0, the probe. `timed_s` are the seconds per epoch that are timed at the probe;
    None times nothing.
    """

    epoch_s: float = 1.0
    num_steps: int = 20
    probe_s: float = 1.0
    evaluation_s: float = 0.0
    timed_s: float | None = None
    failing_rungs: frozenset[int] = frozenset()


@dataclass
class Clock:
    """A clock that stands still until it is set forward."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Simulation:
    """A search whose proposals and metrics are fixed by its recipe."""

    recipe: SearchRecipe
    costs: dict[str, Cost] = field(default_factory=dict)
    seed: int | None = None  # of random metrics; None: `value`
    proposals: list[Candidate] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    def state(self) -> SearchState:
        """The state by what was proposed and attempted so far."""
        return SearchState(self.recipe, self.proposals, self.attempts)

    def run_to_end(self) -> tuple[SearchState, SearchEnd]:
        """Take every step until the end."""
        for _ in range(10_000):
            state = self.state()
            step = state.next_step()
            if isinstance(step, SearchEnd):
                return state, step
            self.take(step)
        raise AssertionError("the search does not end")

    def take(self, step: RunRung | ProposeTrial) -> None:
        """Propose the next trial or run a rung."""
        if isinstance(step, ProposeTrial):
            spread = self.recipe.space.spread(self.recipe.max_trials, self.recipe.seed)
            self.proposals.append(spread[len(self.proposals)])
        else:
            self.attempts.append(self.run(step))

    def run(self, step: RunRung) -> Attempt:
        """The attempt of a rung, ended."""
        candidate, rung = step.candidate, step.rung
        epochs, cost = self.recipe.epochs(candidate, rung), self.cost(candidate)
        state: State = "failed" if rung in cost.failing_rungs else "finished"
        if rung == 0:
            known = [each for each in self.attempts if each.rung == 0 and self.encoder(each) == candidate.encoder]
            seconds, epoch_s = (0.0, None) if known else (cost.probe_s, cost.timed_s)
            return self._attempt(step, state, (self.metric(candidate, 0), 0), seconds, epoch_s)
        clock = Clock()
        pace = Pace(epochs, self.state().left_s, clock)
        with suppress(OutOfBudget):
            self._train(pace, clock, candidate, cost)
        clock.now += 0.0 if pace.is_stopped else cost.evaluation_s
        best: tuple[float | None, int] = (self.metric(candidate, epochs), epochs)
        if state == "finished" and pace.is_stopped:
            state, best = "stopped", pace.best or (None, epochs)
        return self._attempt(step, state, best, clock.now, pace.epoch_s)

    def cost(self, candidate: Candidate) -> Cost:
        """The cost of a candidate's encoder."""
        return self.costs.get(candidate.encoder, Cost())

    def encoder(self, attempt: Attempt) -> str:
        """The encoder of an attempt."""
        return next(each.encoder for each in self.proposals if each.trial == attempt.trial)

    def metric(self, candidate: Candidate, epochs: int) -> float:
        """The metric after some epochs; 0 epochs are the probe, which is the same for an encoder's candidates."""
        if self.seed is None:
            return value(candidate, 1 if epochs else 0, max(1, epochs))
        name = candidate.trial if epochs else candidate.encoder
        key = [self.seed, epochs, *name.encode()]
        return float(np.random.default_rng(key).integers(0, 8)) / 8  # with ties

    def _train(self, pace: Pace, clock: Clock, candidate: Candidate, cost: Cost) -> None:
        num_total = pace.epochs * cost.num_steps
        for step in range(1, num_total + 1):
            clock.now += cost.epoch_s / cost.num_steps
            pace.on_step(step, num_total)
            if step % cost.num_steps == 0:
                pace.on_epoch(lambda step=step: self._evaluated(clock, candidate, cost, step // cost.num_steps))
                if pace.is_stopped:
                    return

    def _evaluated(self, clock: Clock, candidate: Candidate, cost: Cost, epoch: int) -> float:
        clock.now += cost.evaluation_s
        return self.metric(candidate, epoch)

    def _attempt(
        self,
        step: RunRung,
        state: State,
        best: tuple[float | None, int],
        device_seconds: float,
        epoch_s: float | None,
    ) -> Attempt:
        return Attempt(
            number=len(self.attempts) + 1,
            trial=step.candidate.trial,
            rung=step.rung,
            epochs=best[1],
            state=state,
            metric=None if state == "failed" else best[0],
            device_seconds=device_seconds,
            reason="it was to fail" if state == "failed" else "",
            epoch_s=epoch_s if state != "failed" or step.rung else None,
        )


def finished(attempts: Sequence[Attempt]) -> list[float]:
    """The metrics of attempts that have one."""
    return [each.metric for each in attempts if each.metric is not None]
