"""Searches with Ray Tune: Optuna's TPE is the search algorithm, each trial an actor, and halving the scheduler.

Ray's own `ASHAScheduler` stops trials but never pauses one, so with one device its first trial always runs to its end,
as does every new best one. The scheduler here pauses trials between rungs and resumes the best.

A killed search resumes from our ledger, not by `Tuner.restore`: the ledger's trials are added first and their results
are read from it, so nothing runs twice, and nothing that ended after Tune's last snapshot is lost.
"""

import math
import shutil
from dataclasses import asdict
from typing import Any

import optuna
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

from ml.search.halving import ProposeTrial, RunRung, SearchEnd, SearchState
from ml.search.ledger import Ledger
from ml.search.objective import Objective
from ml.search.outcome import SearchOutcome
from ml.search.proposing import ReproducibleTPE, distributions, first_bracket
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from ml.search.trials import AttemptReporter, OnAttempt, close_killed, run_rung

METRIC, TRAINING_ITERATION = "metric", "training_iteration"  # the latter is Tune's own


def search(
    recipe: SearchRecipe, objective: Objective, ledger: Ledger, on_attempt: OnAttempt | None = None
) -> SearchOutcome:
    """See `Searcher`; needs a connection to Ray (`local_ray`)."""
    reporter = AttemptReporter(ledger, on_attempt)
    reporter.report()
    state = SearchState.of(recipe, ledger)
    step = state.next_step()
    if isinstance(step, SearchEnd):
        return state.outcome(step.reason)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    planned = first_bracket(recipe, state.proposals)
    algorithm = Proposing(
        space=distributions(recipe.space),
        metric=METRIC,
        mode="max",
        points_to_evaluate=[asdict(candidate) for candidate in planned],
        sampler=ReproducibleTPE(recipe.seed),
    )
    folder = ledger.path.parent / "ray"
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed search
    rungs = tune.with_parameters(Rungs, recipe=recipe, objective=objective, ledger=ledger.path)
    gpus = 1 if device_of(objective).startswith("cuda") else 0
    tune.Tuner(
        tune.with_resources(rungs, {"cpu": 1, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            # Batches: a bracket's trials are proposed together, from all earlier results.
            search_alg=ConcurrencyLimiter(algorithm, max_concurrent=recipe.bracket_size, batch=True),
            scheduler=Halving(recipe, ledger, reporter),
            # With a limit Tune ends a trial's process once no further trial may follow, and each rung would import
            # PyTorch again; the ledger knows when all trials have run.
            num_samples=-1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="trials", storage_path=str(folder.absolute()), stop=StopAtSearchEnd(recipe, ledger), verbose=0
        ),
    ).fit()
    shutil.rmtree(folder, ignore_errors=True)
    reporter.report()
    state = SearchState.of(recipe, ledger)
    step = state.next_step()
    if not isinstance(step, SearchEnd):
        raise RuntimeError(  # noqa: TRY004 no argument has a wrong type
            f"Ray Tune ended before search {recipe.name!r}, whose next step is {step}"
        )
    return state.outcome(step.reason)


def device_of(objective: Objective) -> str:
    """Return the device of an objective's trials."""
    return str(getattr(objective, "device", "cpu"))


class Proposing(OptunaSearch):
    """Optuna's search algorithm; a trial that ends without a metric has failed."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        has_failed = error or (result is not None and math.isnan(result[METRIC]))
        super().on_trial_complete(trial_id, None if has_failed else result, has_failed)


class Rungs(tune.Trainable):
    """A trial for Tune: each step runs the next rung if it is this trial's turn, or else reports from the ledger."""

    def setup(self, config: dict[str, Any], **arguments: Any) -> None:
        self._recipe: SearchRecipe = arguments["recipe"]
        self._objective: Objective = arguments["objective"]
        self._ledger = Ledger(arguments["ledger"])
        self._candidate = Candidate.of(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._candidate = Candidate.of(new_config)
        return True

    def step(self) -> dict[str, Any]:
        own = self._candidate
        step = SearchState.of(self._recipe, self._ledger).next_step()
        if isinstance(step, RunRung) and step.candidate == own:
            run_rung(step, self._recipe, self._objective, self._ledger)
        state = SearchState.of(self._recipe, self._ledger)
        rung, metric = state.best_so_far(own) or (0, math.nan)
        if failure := state.failure(own):
            # An error here ends this process, and the next trial's imports PyTorch again. Only an error on a device
            # needs that: it may fail all later work of its process there.
            if device_of(self._objective) != "cpu" and failure.state != "diverged":
                raise RuntimeError(f"{failure.state}: {failure.reason}")
            metric = math.nan
        return {METRIC: metric, TRAINING_ITERATION: rung + 1}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {}  # the ledger has everything

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass


class Halving(FIFOScheduler):
    """Pauses every trial after its rung and resumes the one whose rung is next by the ledger."""

    def __init__(self, recipe: SearchRecipe, ledger: Ledger, reporter: AttemptReporter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recipe, self._ledger, self._reporter = recipe, ledger, reporter
        self._added: list[str] = []  # Tune's ids, in the order of the trials

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        num_proposed = len(self._ledger.proposals())
        is_known = len(self._added) < num_proposed  # a trial of the ledger, added again after a restart
        if not is_known and num_proposed < self._recipe.max_trials:
            self._ledger.propose(Candidate.of(trial.config))
        self._added.append(trial.trial_id)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        self._reporter.report()
        state, own = SearchState.of(self._recipe, self._ledger), Candidate.of(trial.config)
        step = state.next_step()
        if isinstance(step, RunRung) and step.candidate == own:
            return str(TrialScheduler.CONTINUE)
        is_over = state.failure(own) or result[TRAINING_ITERATION] == self._recipe.num_rungs
        return str(TrialScheduler.STOP if is_over or isinstance(step, SearchEnd) else TrialScheduler.PAUSE)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        close_killed(self._ledger, self._recipe, Candidate.of(trial.config).trial, "its process was killed")
        self._reporter.report()

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        trials: list[Trial] = tune_controller.get_trials()
        if any(trial.status == Trial.RUNNING for trial in trials):
            return None
        step, size = self._next_step(), self._recipe.bracket_size
        if isinstance(step, SearchEnd):
            return None
        # Trials of a finished bracket are stopped.
        num_over = len(self._ledger.proposals()) - (0 if isinstance(step, ProposeTrial) else 1)
        over = set(self._added[: num_over // size * size])
        for trial in trials:
            if trial.trial_id in over and trial.status == Trial.PAUSED:
                tune_controller.stop_trial(trial)
        if isinstance(step, RunRung):
            for trial in trials:
                if trial.status in (Trial.PAUSED, Trial.PENDING) and Candidate.of(trial.config) == step.candidate:
                    return trial
        return None

    def _next_step(self) -> RunRung | ProposeTrial | SearchEnd:
        return SearchState.of(self._recipe, self._ledger).next_step()


class StopAtSearchEnd(tune.Stopper):
    """Stops all trials when the search is over by the ledger."""

    def __init__(self, recipe: SearchRecipe, ledger: Ledger) -> None:
        self._recipe, self._ledger = recipe, ledger

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False  # single trials are paused by the scheduler

    def stop_all(self) -> bool:
        return isinstance(SearchState.of(self._recipe, self._ledger).next_step(), SearchEnd)
