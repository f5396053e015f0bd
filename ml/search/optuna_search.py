"""Optuna alone: its TPE proposes, and each rung runs in a process of its own on this machine, one at a time."""

import multiprocessing
import signal
from dataclasses import asdict
from multiprocessing.context import BaseContext

import optuna
from optuna.trial import TrialState, create_trial

from ml.search.halving import End, Outcome, Run, Standing
from ml.search.ledger import Ledger
from ml.search.objective import Objective
from ml.search.proposing import ReproducibleTPE, distributions, first_bracket
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from ml.search.trials import News, OnAttempt, carry_out, close_lost

PRELOADED = ["torch", "timm", "ml.training.finetuning", "ml.search.trials"]


def search(recipe: SearchRecipe, objective: Objective, ledger: Ledger, on_attempt: OnAttempt | None = None) -> Outcome:
    """As the protocol `Searcher` has it."""
    # Forked from a process that has loaded PyTorch but touched no device: it starts at once, on any device.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)
    news = News(ledger, on_attempt)
    while True:
        news.tell()
        standing = Standing.of(recipe, ledger)
        step = standing.next_step()
        if isinstance(step, End):
            return standing.outcome(step.reason)
        if isinstance(step, Run):
            _in_a_process(processes, step, recipe, objective, ledger)
        else:
            ledger.propose(propose(standing))


def propose(standing: Standing) -> Candidate:
    """The next trial: one of the first bracket's, or what TPE makes of all that ended."""
    recipe, number = standing.recipe, len(standing.proposals)
    given = first_bracket(recipe, standing.proposals)
    if number < len(given):
        return given[number]
    space = distributions(recipe.space)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=ReproducibleTPE(recipe.seed))
    # A bracket's trials are proposed together: one that depended on those beside it would be another after a restart.
    for candidate in standing.proposals[: number // recipe.bracket_size * recipe.bracket_size]:
        study.add_trial(_as_trial(candidate, standing))
    for candidate in standing.proposals[number // recipe.bracket_size * recipe.bracket_size :]:
        study.add_trial(create_trial(state=TrialState.FAIL, params=asdict(candidate), distributions=space))
    return Candidate.of(study.ask(space).params)


def _as_trial(candidate: Candidate, standing: Standing) -> optuna.trial.FrozenTrial:
    """A trial as TPE ranks it: finished ones by their metric, then the others by the rung that they came to."""
    recipe = standing.recipe
    space = distributions(recipe.space)
    reached = {
        rung: metric for rung in range(recipe.num_rungs) if (metric := standing.metric(candidate, rung)) is not None
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


def _in_a_process(processes: BaseContext, run: Run, recipe: SearchRecipe, objective: Objective, ledger: Ledger) -> None:
    """Carry out a rung where running out of memory, or being killed, ends nothing else."""
    process = processes.Process(target=carry_out, args=(run, recipe, objective, ledger))  # type: ignore[attr-defined]
    process.start()
    try:
        process.join()
    except BaseException:
        process.kill()
        process.join()
        raise
    if process.exitcode:
        how = f"signal {signal.Signals(-process.exitcode).name}" if process.exitcode < 0 else f"exit {process.exitcode}"
        close_lost(ledger, run.candidate.trial, f"its process ended with {how}")
