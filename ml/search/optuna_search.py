"""Searches with Optuna alone: its TPE proposes, and each rung runs in its own process on this machine."""

import multiprocessing
import signal
from dataclasses import asdict
from multiprocessing.context import BaseContext

import optuna
from optuna.trial import TrialState, create_trial

from ml.search.halving import RunRung, SearchEnd, SearchState
from ml.search.ledger import Ledger
from ml.search.objective import Objective
from ml.search.outcome import SearchOutcome
from ml.search.proposing import ReproducibleTPE, distributions, first_bracket
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from ml.search.trials import AttemptReporter, OnAttempt, close_killed, run_rung


def search(
    recipe: SearchRecipe, objective: Objective, ledger: Ledger, on_attempt: OnAttempt | None = None
) -> SearchOutcome:
    """See `Searcher`."""
    # Forked from a process that has imported PyTorch but not used a device: it starts at once, on any device.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["ml.search.trials", *getattr(objective, "imports", ())])
    reporter = AttemptReporter(ledger, on_attempt)
    while True:
        reporter.report()
        state = SearchState.of(recipe, ledger)
        step = state.next_step()
        if isinstance(step, SearchEnd):
            return state.outcome(step.reason)
        if isinstance(step, RunRung):
            _run_in_process(processes, step, recipe, objective, ledger)
        else:
            ledger.propose(propose(state))


def propose(state: SearchState) -> Candidate:
    """Return the next trial: one of the first bracket, or TPE's proposal from all ended trials."""
    recipe, number = state.recipe, len(state.proposals)
    planned = first_bracket(recipe, state.proposals)
    if number < len(planned):
        return planned[number]
    space = distributions(recipe.space)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=ReproducibleTPE(recipe.seed))
    # A bracket's trials are proposed together; if they depended on each other, a restart would propose others.
    for candidate in state.proposals[: number // recipe.bracket_size * recipe.bracket_size]:
        study.add_trial(_as_trial(candidate, state))
    for candidate in state.proposals[number // recipe.bracket_size * recipe.bracket_size :]:
        study.add_trial(create_trial(state=TrialState.FAIL, params=asdict(candidate), distributions=space))
    return Candidate.of(study.ask(space).params)


def _as_trial(candidate: Candidate, state: SearchState) -> optuna.trial.FrozenTrial:
    """A trial as TPE ranks it: finished ones by their metric, then the others by the rung that they reached."""
    recipe = state.recipe
    space = distributions(recipe.space)
    reached = {
        rung: metric for rung in range(recipe.num_rungs) if (metric := state.metric(candidate, rung)) is not None
    }
    if not reached:
        return create_trial(state=TrialState.FAIL, params=asdict(candidate), distributions=space)
    is_finished = max(reached) == recipe.last_rung
    return create_trial(
        state=TrialState.COMPLETE if is_finished else TrialState.PRUNED,
        value=reached[max(reached)],
        params=asdict(candidate),
        distributions=space,
        intermediate_values=reached,
    )


def _run_in_process(
    processes: BaseContext, run: RunRung, recipe: SearchRecipe, objective: Objective, ledger: Ledger
) -> None:
    """Run a rung in a process, so that running out of memory or a kill ends nothing else."""
    process = processes.Process(target=run_rung, args=(run, recipe, objective, ledger))  # type: ignore[attr-defined]
    process.start()
    try:
        process.join()
    except BaseException:
        process.kill()
        process.join()
        raise
    if process.exitcode:
        how = f"signal {signal.Signals(-process.exitcode).name}" if process.exitcode < 0 else f"exit {process.exitcode}"
        close_killed(ledger, recipe, run.candidate.trial, f"its process ended with {how}")
