"""Simulated searches with random costs, metrics, failures and budgets: never empty, bounded, reproducible."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.search.budget import Budget
from ml.search.halving import RunRung, SearchEnd, SearchState
from ml.search.pace import TOLERANCE
from ml.search.recipe import SearchRecipe
from tests.ml.search.formula import SEARCH
from tests.ml.search.simulation import Cost, Simulation, finished

ENCODERS = SEARCH.space.encoders
FAULTS = [frozenset[int](), frozenset({0}), frozenset({1}), frozenset({1, 2, 3})]
COSTS = st.builds(
    Cost,
    epoch_s=st.floats(0.01, 50.0),
    num_steps=st.integers(1, 30),
    probe_s=st.floats(0.01, 5.0),
    evaluation_s=st.floats(0.0, 2.0),
    timed_s=st.none() | st.floats(0.01, 50.0),
    failing_rungs=st.sampled_from(FAULTS),
)
SECONDS = st.floats(1e-3, 1e3).map(lambda seconds: Budget(seconds=seconds))
RELATIVE = st.floats(1e-3, 50.0).map(lambda number: Budget(full_trainings=number))
RECIPES = st.builds(
    lambda **changes: replace(SEARCH, **changes),
    budget=SECONDS | RELATIVE,
    goal=st.none() | st.sampled_from([0.5, 1.0]),
    bracket_size=st.integers(1, 8),
    num_rungs=st.integers(2, 4),
    max_trials=st.integers(1, 20),
)
SIMULATIONS = st.builds(
    lambda recipe, costs, seed: Simulation(recipe, dict(zip(ENCODERS, costs, strict=True)), seed),
    RECIPES,
    st.lists(COSTS, min_size=len(ENCODERS), max_size=len(ENCODERS)),
    st.integers(0, 2**16),
)


def limit_s(simulation: Simulation, state: SearchState) -> float:
    """The most that a search may spend, as `ml.search.halving` documents it."""
    attempts, costs = simulation.attempts, simulation.costs.values()
    first = next((index for index, each in enumerate(attempts) if each.metric is not None), len(attempts))
    least_s = sum(each.device_seconds for each in attempts[: first + 1])
    if simulation.recipe.budget.seconds is None:  # known once the first bracket has been probed
        bracket = {each.trial for each in simulation.proposals[: simulation.recipe.bracket_size]}
        probes_s = sum(each.device_seconds for each in attempts if each.rung == 0 and each.trial in bracket)
        least_s = max(least_s, probes_s)
    step_s = max(cost.epoch_s / cost.num_steps for cost in costs)
    evaluation_s = max(cost.evaluation_s for cost in costs)
    allowed_s = max(state.budget_s, least_s) + max(cost.probe_s for cost in costs)
    return allowed_s * (1 + TOLERANCE) + step_s + evaluation_s


@settings(deadline=None, max_examples=300)
@given(simulation=SIMULATIONS)
def test_a_search_ends_within_its_budget_and_is_never_empty(simulation: Simulation) -> None:
    state, end = simulation.run_to_end()
    outcome, metrics = state.outcome(end.reason), finished(simulation.attempts)
    assert (outcome.winner is None) == (not metrics)
    if outcome.winner is None:  # only where no probe can finish
        probed = {simulation.encoder(each) for each in simulation.attempts}
        assert all(0 in simulation.costs[encoder].failing_rungs for encoder in probed)
        assert end.reason == ("failures" if probed == set(ENCODERS) else "trials")
        assert outcome.failures
    else:
        assert outcome.winner.metric == max(metrics)
        assert outcome.winner.recipe.mode == ("finetune" if outcome.winner.rung else "probe")
    assert outcome.sentence(simulation.recipe)
    is_timed = any(cost.timed_s is not None for cost in simulation.costs.values())
    if simulation.recipe.budget.seconds is not None or (is_timed and state.budget_s < float("inf")):
        untimed = simulation.recipe.budget.seconds is None and not any(
            each.epoch_s is not None for each in simulation.attempts if each.rung == 0
        )
        assert untimed or outcome.device_seconds <= limit_s(simulation, state)


@settings(deadline=None, max_examples=100)
@given(simulation=SIMULATIONS, data=st.data())
def test_a_search_resumed_from_any_prefix_of_its_ledger_ends_the_same(
    simulation: Simulation, data: st.DataObject
) -> None:
    prefixes = [(0, 0)]  # numbers of proposals and attempts
    while not isinstance(step := simulation.state().next_step(), SearchEnd):
        simulation.take(step)
        prefixes.append((len(simulation.proposals), len(simulation.attempts)))
    num_proposals, num_attempts = data.draw(st.sampled_from(prefixes))
    resumed = replace(
        simulation, proposals=simulation.proposals[:num_proposals], attempts=simulation.attempts[:num_attempts]
    )
    assert resumed.run_to_end()[1] == step
    assert (resumed.proposals, resumed.attempts) == (simulation.proposals, simulation.attempts)


@settings(deadline=None, max_examples=100)
@given(simulation=SIMULATIONS, interrupted_at=st.integers(0, 20), share=st.floats(0.0, 1.0))
def test_an_interrupted_search_is_never_empty(simulation: Simulation, interrupted_at: int, share: float) -> None:
    while not isinstance(step := simulation.state().next_step(), SearchEnd):
        is_cut = isinstance(step, RunRung) and len(simulation.attempts) == interrupted_at
        simulation.take(step)
        if is_cut:
            cut = simulation.attempts.pop()
            seconds = share * cut.device_seconds
            simulation.attempts.append(replace(cut, state="interrupted", metric=None, device_seconds=seconds))
    winner = simulation.state().outcome(step.reason).winner
    assert (winner is None) == (not finished(simulation.attempts))
    assert winner is not None or step.reason in ("failures", "trials")


@settings(deadline=None, max_examples=100)
@given(simulation=SIMULATIONS, factor=st.floats(1.0, 20.0))
def test_a_larger_budget_continues_and_is_no_worse(simulation: Simulation, factor: float) -> None:
    before, end = simulation.run_to_end()
    winner, budget = before.outcome(end.reason).winner, simulation.recipe.budget
    larger = Budget(
        seconds=budget.seconds and budget.seconds * factor,
        full_trainings=budget.full_trainings and budget.full_trainings * factor,
    )
    more = replace(
        simulation,
        recipe=replace(simulation.recipe, budget=larger),
        proposals=list(simulation.proposals),
        attempts=list(simulation.attempts),
    )
    after, end = more.run_to_end()
    assert more.attempts[: len(simulation.attempts)] == simulation.attempts
    found = after.outcome(end.reason).winner
    assert winner is None or (found is not None and found.metric >= winner.metric)


@pytest.mark.parametrize("budget", [Budget(seconds=0.5), Budget(full_trainings=1e-3)])
def test_the_first_bracket_of_a_tiny_budget_is_probed_only_where_that_defines_the_budget(budget: Budget) -> None:
    recipe: SearchRecipe = replace(SEARCH, budget=budget)
    simulation = Simulation(recipe, {name: Cost(timed_s=1.0) for name in ENCODERS})
    simulation.run_to_end()
    assert {each.rung for each in simulation.attempts} == {0}
    paid = sum(each.device_seconds > 0 for each in simulation.attempts)
    assert paid == (1 if budget.seconds else len(ENCODERS))
