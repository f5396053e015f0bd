"""Successive halving, simulated without an engine: rungs, budget, goal."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.search.budget import Budget
from ml.search.halving import ProposeTrial, RunRung, SearchEnd, SearchState
from ml.search.recipe import SearchRecipe
from tests.ml.search.formula import SEARCH
from tests.ml.search.simulation import Cost, Simulation

AMPLE = Budget(seconds=1e6)


def by_encoder(recipe: SearchRecipe, *epoch_s: float) -> dict[str, Cost]:
    """Costs of the encoders of a search, in their order."""
    return {name: Cost(epoch_s=each) for name, each in zip(recipe.space.encoders, epoch_s, strict=True)}


def test_a_third_is_promoted_from_every_rung() -> None:
    recipe = replace(SEARCH, bracket_size=27, num_rungs=4, max_trials=27, budget=AMPLE)
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


def test_a_training_that_reaches_the_goal_early_ends_the_search() -> None:
    state, end = Simulation(replace(SEARCH, goal=0.83, budget=AMPLE)).run_to_end()
    winner = state.outcome(end.reason).winner
    assert end.reason == "goal"
    assert winner is not None
    assert winner.rung == 1
    assert winner.recipe.optimization.epochs == 3


def test_a_probe_that_reaches_the_goal_ends_the_search_at_once() -> None:
    simulation = Simulation(replace(SEARCH, goal=0.79, budget=AMPLE))
    state, end = simulation.run_to_end()
    winner = state.outcome(end.reason).winner
    assert end.reason == "goal"
    assert winner is not None
    assert winner.rung == 0
    assert winner.recipe.mode == "probe"
    assert simulation.encoder(simulation.attempts[-1]) == "good"


def test_the_best_of_all_rungs_wins_and_ties_go_to_the_first() -> None:
    simulation = Simulation(replace(SEARCH, budget=AMPLE))
    simulation.run_to_end()
    worse_later = [replace(each, metric=0.5 if each.rung else 0.8) for each in simulation.attempts]
    winner = SearchState(simulation.recipe, simulation.proposals, worse_later).outcome("trials").winner
    assert winner is not None
    assert (winner.rung, winner.metric) == (0, 0.8)
    assert winner.candidate.trial == simulation.attempts[0].trial


def test_an_interrupted_rung_is_repeated_and_its_seconds_count() -> None:
    simulation = Simulation(SEARCH)
    simulation.take(ProposeTrial())
    done = simulation.run(RunRung(simulation.proposals[0], 0))
    state = SearchState(SEARCH, simulation.proposals, [replace(done, state="interrupted", metric=None)])
    assert state.next_step() == RunRung(simulation.proposals[0], 0)
    assert state.spent_s == done.device_seconds


@settings(deadline=None, max_examples=30)
@given(budget_s=st.floats(30.0, 200.0))
def test_the_cost_of_one_last_rung_is_reserved_until_a_full_training_has_finished(budget_s: float) -> None:
    recipe = replace(SEARCH, budget=Budget(seconds=budget_s), bracket_size=18, num_rungs=4, max_trials=18)
    simulation = Simulation(recipe)
    state, _ = simulation.run_to_end()
    assert any(each.rung == recipe.last_rung for each in simulation.attempts)  # 9 epochs fit into every such budget
    assert state.spent_s <= budget_s  # rung costs are known, so it is never exceeded


def test_a_budget_below_a_probe_returns_that_probe() -> None:
    simulation = Simulation(replace(SEARCH, budget=Budget(seconds=1e-6)))
    state, end = simulation.run_to_end()
    outcome = state.outcome(end.reason)
    assert (end.reason, len(simulation.attempts)) == ("budget", 1)
    assert outcome.winner is not None
    assert (outcome.winner.rung, outcome.winner.recipe.mode) == (0, "probe")
    assert "no further rung fits the budget of 1e-06 device seconds; the best is a probe of" in outcome.sentence(
        simulation.recipe
    )


def test_a_training_that_was_timed_as_too_long_is_not_started() -> None:
    costs = {name: Cost(epoch_s=50.0, timed_s=50.0) for name in SEARCH.space.encoders}
    simulation = Simulation(SEARCH, costs)
    state, end = simulation.run_to_end()
    assert (end.reason, {each.rung for each in simulation.attempts}) == ("budget", {0})
    assert state.spent_s == len(SEARCH.space.encoders)  # a probe each


def test_a_training_that_turns_out_too_long_is_stopped_and_its_best_epoch_kept() -> None:
    recipe = replace(SEARCH, bracket_size=1, max_trials=1, budget=Budget(seconds=20.5))
    simulation = Simulation(recipe, {name: Cost(epoch_s=4.0) for name in SEARCH.space.encoders})
    state, end = simulation.run_to_end()
    outcome = state.outcome(end.reason)
    assert [(each.rung, each.state, each.epochs) for each in simulation.attempts] == [
        (0, "finished", 0),
        (2, "stopped", 5),
    ]
    assert end.reason == "budget"
    assert outcome.winner is not None
    assert (outcome.winner.is_stopped, outcome.winner.recipe.optimization.epochs) == (True, 5)
    assert "5 epochs of a training that the budget stopped" in outcome.sentence(recipe)
    larger = Simulation(
        replace(recipe, budget=AMPLE), simulation.costs, None, simulation.proposals, simulation.attempts
    )
    larger.run_to_end()
    assert [(each.rung, each.state) for each in larger.attempts[2:]] == [(2, "finished")]


def test_an_epoch_that_cannot_end_within_the_budget_is_ended_early() -> None:
    recipe = replace(SEARCH, bracket_size=1, max_trials=1)
    simulation = Simulation(recipe, {name: Cost(epoch_s=4_000.0, num_steps=1_000) for name in SEARCH.space.encoders})
    state, end = simulation.run_to_end()
    assert end.reason == "budget"
    assert simulation.attempts[-1].metric is None
    assert state.spent_s < 60.0
    assert state.outcome("budget").winner is not None


def test_candidates_of_a_cheaper_encoder_are_trained_where_the_best_are_too_long() -> None:
    costs = {
        "good": Cost(epoch_s=50.0, timed_s=50.0),
        "fair": Cost(epoch_s=50.0, timed_s=50.0),
        "poor": Cost(epoch_s=1.0, timed_s=1.0),
    }
    simulation = Simulation(SEARCH, costs)
    simulation.run_to_end()
    assert {simulation.encoder(each) for each in simulation.attempts if each.rung} == {"poor"}


def test_timed_steps_are_corrected_by_the_trainings_of_other_encoders() -> None:
    costs = {name: Cost(epoch_s=2.0, timed_s=1.0) for name in SEARCH.space.encoders}
    simulation = Simulation(replace(SEARCH, budget=AMPLE), costs)
    while not any(each.rung for each in simulation.attempts):
        step = simulation.state().next_step()
        assert not isinstance(step, SearchEnd)
        simulation.take(step)
    trained = simulation.encoder(simulation.attempts[-1])
    other = next(each for each in simulation.proposals if each.encoder != trained)
    assert simulation.state()._costs.rung_s(other, 2) == pytest.approx(18.0)


def test_a_relative_budget_is_that_of_the_cheapest_candidate_and_scales_with_the_data() -> None:
    spent = []
    for scale in (1.0, 40.0):
        costs = {
            "good": Cost(epoch_s=3 * scale, timed_s=3 * scale),
            "fair": Cost(epoch_s=2 * scale, timed_s=2 * scale),
            "poor": Cost(epoch_s=1 * scale, timed_s=1 * scale),
        }
        simulation = Simulation(
            replace(SEARCH, budget=Budget.parse("5 x full training of the cheapest candidate")), costs
        )
        state, end = simulation.run_to_end()
        assert state.budget_s == 5 * 9 * scale
        assert state.spent_s <= state.budget_s
        spent.append([(each.trial, each.rung) for each in simulation.attempts])
        assert f"which is {state.budget_s:.1f} device seconds" in state.outcome("budget").sentence(simulation.recipe)
        assert end.reason == "budget"
    assert set(spent[0]) <= set(spent[1])


def test_a_relative_budget_without_timed_steps_is_that_of_the_trainings() -> None:
    recipe = replace(SEARCH, budget=Budget(full_trainings=2.0))
    simulation = Simulation(recipe)
    assert simulation.state().budget_s == math.inf
    state, _ = simulation.run_to_end()
    assert state.budget_s == pytest.approx(18.0)


def test_an_encoder_whose_training_fails_leaves_its_probe_as_the_winner() -> None:
    costs = {name: Cost(failing_rungs=frozenset({1, 2})) for name in SEARCH.space.encoders}
    simulation = Simulation(replace(SEARCH, budget=AMPLE), costs)
    state, end = simulation.run_to_end()
    outcome = state.outcome(end.reason)
    assert end.reason == "trials"
    assert outcome.winner is not None
    assert outcome.winner.rung == 0
    assert "attempts failed (failed: it was to fail)" in outcome.sentence(simulation.recipe)


def test_a_search_is_empty_only_where_every_probe_failed_whatever_the_budget() -> None:
    failing = {name: Cost(failing_rungs=frozenset({0})) for name in SEARCH.space.encoders}
    simulation = Simulation(replace(SEARCH, budget=Budget(seconds=1e-6)), failing)
    state, end = simulation.run_to_end()
    assert end.reason == "failures"
    assert state.outcome(end.reason).winner is None
    assert "the probe of every encoder failed: good, fair, poor" in state.outcome(end.reason).sentence(SEARCH)
    simulation = Simulation(simulation.recipe, {**failing, "poor": Cost()})
    state, end = simulation.run_to_end()
    winner = state.outcome(end.reason).winner
    assert winner is not None
    assert winner.recipe.encoder == "poor"


def test_the_sentence_mentions_a_goal_that_was_not_reached() -> None:
    recipe = replace(SEARCH, goal=0.99, budget=Budget(seconds=30.0))
    state, end = Simulation(recipe).run_to_end()
    assert "no trial reached the goal of 0.99" in state.outcome(end.reason).sentence(recipe)
    assert not math.isnan(state.spent_s)


@given(budget_s=st.floats(30.0, 200.0), share=st.sampled_from([0.0, 0.5, 0.99, 1.5]))
@settings(deadline=None)
def test_a_running_rung_is_not_abandoned(budget_s: float, share: float) -> None:
    """Its seconds so far count as spent, so the rest of the budget may be too small for the same rung again."""
    budget = Budget(seconds=budget_s)
    simulation = Simulation(replace(SEARCH, budget=budget, bracket_size=6, num_rungs=3, max_trials=6))
    while not isinstance(step := simulation.state().next_step(), SearchEnd):
        if isinstance(step, RunRung):
            ended = simulation.run(step)
            running = replace(ended, state="running", metric=None, device_seconds=share * ended.device_seconds)
            state = SearchState(simulation.recipe, simulation.proposals, [*simulation.attempts, running])
            assert state.next_step() == step
        simulation.take(step)
