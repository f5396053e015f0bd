"""Successive halving, simulated without an engine: rungs, budget, goal."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ml.search.halving import ProposeTrial, RunRung, SearchEnd, SearchState
from ml.search.ledger import Attempt
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from tests.ml.search.formula import SEARCH, value


class Simulation:
    """A search whose rungs take `epoch_s` per epoch, by encoder, and have the metric `value`."""

    def __init__(self, recipe: SearchRecipe, epoch_s: dict[str, float] | None = None) -> None:
        self.recipe, self.epoch_s = recipe, epoch_s or {}
        self.proposals: list[Candidate] = []
        self.attempts: list[Attempt] = []
        self.stream = iter(recipe.space.spread(recipe.max_trials, recipe.seed))

    def run_to_end(self) -> tuple[SearchState, SearchEnd]:
        while True:
            state = SearchState(self.recipe, self.proposals, self.attempts)
            step = state.next_step()
            if isinstance(step, SearchEnd):
                return state, step
            if isinstance(step, ProposeTrial):
                self.proposals.append(next(self.stream))
            else:
                self.attempts.append(self.run(step))

    def run(self, step: RunRung) -> Attempt:
        epochs = self.recipe.epochs(step.candidate, step.rung)
        is_known = step.rung == 0 and any(
            each.rung == 0 and self.encoder(each) == step.candidate.encoder for each in self.attempts
        )
        seconds = 0.0 if is_known else self.epoch_s.get(step.candidate.encoder, 1.0) * max(1, epochs)
        return Attempt(
            number=len(self.attempts) + 1,
            trial=step.candidate.trial,
            rung=step.rung,
            epochs=epochs,
            state="finished",
            metric=value(step.candidate, step.rung, epochs),
            device_seconds=seconds,
            reason="",
        )

    def encoder(self, attempt: Attempt) -> str:
        return next(each.encoder for each in self.proposals if each.trial == attempt.trial)


def test_a_third_is_promoted_from_every_rung() -> None:
    recipe = replace(SEARCH, bracket_size=27, num_rungs=4, max_trials=27, budget_s=1e6)
    simulation = Simulation(recipe)
    simulation.run_to_end()
    per_rung = [len([each for each in simulation.attempts if each.rung == rung]) for rung in range(4)]
    assert per_rung == [27, 9, 3, 1]
    for rung in range(3):
        best = sorted((each.metric or 0.0 for each in simulation.attempts if each.rung == rung), reverse=True)
        promoted = {each.trial for each in simulation.attempts if each.rung == rung + 1}
        metrics = [each.metric or 0.0 for each in simulation.attempts if each.rung == rung and each.trial in promoted]
        assert sorted(metrics, reverse=True) == best[: len(promoted)]


def test_rungs_train_for_thirds_of_the_epochs_and_at_least_one() -> None:
    recipe = replace(SEARCH, num_rungs=4)
    [candidate] = recipe.space.spread(1, 0)
    assert [recipe.epochs(replace(candidate, epochs=27), rung) for rung in range(4)] == [0, 3, 9, 27]
    assert [recipe.epochs(replace(candidate, epochs=2), rung) for rung in range(4)] == [0, 1, 1, 2]


def test_a_single_candidate_goes_straight_to_the_last_rung() -> None:
    simulation = Simulation(replace(SEARCH, bracket_size=3, max_trials=3, num_rungs=5))
    simulation.run_to_end()
    assert [each.rung for each in simulation.attempts] == [0, 0, 0, 4]


def test_a_training_that_reaches_the_goal_early_counts_as_finished() -> None:
    state, end = Simulation(replace(SEARCH, goal=0.83, budget_s=1e6)).run_to_end()
    winner = state.outcome(end.reason).winner
    assert end.reason == "goal"
    assert winner is not None
    assert winner.rung == 1
    assert winner.recipe.optimization.epochs == 3


def test_a_probe_does_not_count_for_the_goal() -> None:
    state, end = Simulation(replace(SEARCH, goal=0.79, budget_s=1e6)).run_to_end()
    winner = state.outcome(end.reason).winner
    assert winner is not None
    assert winner.rung > 0


def test_an_interrupted_rung_is_repeated_and_its_seconds_count() -> None:
    simulation = Simulation(SEARCH)
    simulation.proposals = [next(simulation.stream)]
    done = simulation.run(RunRung(simulation.proposals[0], 0))
    state = SearchState(SEARCH, simulation.proposals, [replace(done, state="interrupted", metric=None)])
    assert state.next_step() == RunRung(simulation.proposals[0], 0)
    assert state.spent_s == done.device_seconds


@settings(deadline=None, max_examples=60)
@given(
    budget_s=st.floats(0.5, 400.0),
    epoch_s=st.lists(st.floats(0.01, 20.0), min_size=3, max_size=3),
    bracket_size=st.integers(1, 12),
    num_rungs=st.integers(2, 4),
)
def test_the_budget_is_never_exceeded_by_more_than_one_rung(
    budget_s: float, epoch_s: list[float], bracket_size: int, num_rungs: int
) -> None:
    recipe = replace(SEARCH, budget_s=budget_s, bracket_size=bracket_size, num_rungs=num_rungs, max_trials=24)
    simulation = Simulation(recipe, dict(zip(recipe.space.encoders, epoch_s, strict=True)))
    state, end = simulation.run_to_end()
    assert end.reason in ("budget", "trials")
    assert state.spent_s - (simulation.attempts[-1].device_seconds if simulation.attempts else 0.0) <= budget_s
    winner = state.outcome(end.reason).winner
    finished = [each.metric or 0.0 for each in simulation.attempts if each.rung == recipe.last_rung]
    assert (winner.metric if winner else None) == (max(finished) if finished else None)


@settings(deadline=None, max_examples=30)
@given(budget_s=st.floats(30.0, 200.0))
def test_the_cost_of_one_last_rung_is_reserved_until_a_trial_has_finished(budget_s: float) -> None:
    recipe = replace(SEARCH, budget_s=budget_s, bracket_size=18, num_rungs=4, max_trials=18)
    simulation = Simulation(recipe)
    state, end = simulation.run_to_end()
    assert state.outcome(end.reason).winner is not None  # 9 epochs of a second each fit into every such budget
    assert state.spent_s <= budget_s  # rung costs are known, so it is never exceeded


def test_the_sentence_mentions_a_goal_that_was_not_reached() -> None:
    recipe = replace(SEARCH, goal=0.99, budget_s=30.0)
    state, end = Simulation(recipe).run_to_end()
    assert "no trial reached the goal of 0.99" in state.outcome(end.reason).sentence(recipe)
    assert not math.isnan(state.spent_s)


@given(budget_s=st.floats(30.0, 200.0), share=st.sampled_from([0.0, 0.5, 0.99, 1.5]))
@settings(deadline=None)
def test_a_running_rung_is_not_abandoned(budget_s: float, share: float) -> None:
    """Its seconds so far count as spent, so the rest of the budget may be too small for the same rung again."""
    simulation = Simulation(replace(SEARCH, budget_s=budget_s, bracket_size=6, num_rungs=3, max_trials=6))
    while True:
        step = SearchState(simulation.recipe, simulation.proposals, simulation.attempts).next_step()
        if isinstance(step, SearchEnd):
            return
        if isinstance(step, ProposeTrial):
            simulation.proposals.append(next(simulation.stream))
            continue
        ended = simulation.run(step)
        running = replace(ended, state="running", metric=None, device_seconds=share * ended.device_seconds)
        assert SearchState(simulation.recipe, simulation.proposals, [*simulation.attempts, running]).next_step() == step
        simulation.attempts.append(ended)
