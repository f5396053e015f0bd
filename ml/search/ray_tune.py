"""Ray Tune as the engine: Optuna's TPE is its search algorithm, each trial an actor, and halving its scheduler.

Ray's own `ASHAScheduler` stops trials but never pauses one, so with one device its first trial always runs to its end,
and every record holder after it. The scheduler here pauses trials between rungs and resumes the best.

A killed search goes on from our ledger, not by `Tuner.restore`: the trials that it holds come first and are answered
from it, so nothing is run twice, nor is anything lost that ended after Tune's last snapshot.
"""

import shutil
from dataclasses import asdict
from typing import Any

import optuna
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

from ml.search.halving import End, Outcome, Propose, Run, Standing
from ml.search.ledger import Ledger
from ml.search.objective import Objective
from ml.search.proposing import ReproducibleTPE, distributions, first_bracket
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from ml.search.trials import News, OnAttempt, carry_out, close_lost

METRIC, TRAINING_ITERATION = "metric", "training_iteration"  # the latter is Tune's own


def search(recipe: SearchRecipe, objective: Objective, ledger: Ledger, on_attempt: OnAttempt | None = None) -> Outcome:
    """As the protocol `Searcher` has it, in the Ray that this process is connected to (`local_ray`)."""
    news = News(ledger, on_attempt)
    news.tell()
    standing = Standing.of(recipe, ledger)
    step = standing.next_step()
    if isinstance(step, End):
        return standing.outcome(step.reason)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    given = first_bracket(recipe, standing.proposals)
    proposing = OptunaSearch(
        space=distributions(recipe.space),
        metric=METRIC,
        mode="max",
        points_to_evaluate=[asdict(candidate) for candidate in given],
        sampler=ReproducibleTPE(recipe.seed),
    )
    folder = ledger.path.parent / "ray"
    shutil.rmtree(folder, ignore_errors=True)  # Tune's notes on a killed search
    rungs = tune.with_parameters(Rungs, recipe=recipe, objective=objective, ledger=ledger.path)
    gpus = 1 if getattr(objective, "device", "cpu").startswith("cuda") else 0
    tune.Tuner(
        tune.with_resources(rungs, {"cpu": 1, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            # Batches: a bracket's trials are proposed together, knowing all that came before.
            search_alg=ConcurrencyLimiter(proposing, max_concurrent=recipe.bracket_size, batch=True),
            scheduler=Halving(recipe, ledger, news),
            # Tune lets go of a trial's process once no further trial may come, and each rung would load PyTorch anew:
            # so it may ask for ever, and the ledger says when all have come.
            num_samples=-1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="trials", storage_path=str(folder.absolute()), stop=AtTheEnd(recipe, ledger), verbose=0
        ),
    ).fit()
    shutil.rmtree(folder, ignore_errors=True)
    news.tell()
    standing = Standing.of(recipe, ledger)
    step = standing.next_step()
    if not isinstance(step, End):
        raise RuntimeError(  # noqa: TRY004 nobody gave a wrong type
            f"Ray Tune ended before search {recipe.name!r} did, which was to go on with {step}"
        )
    return standing.outcome(step.reason)


class Rungs(tune.Trainable):
    """A trial as Tune sees it: each step is its next rung, if it is its turn, or else tells what the ledger holds."""

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        self._recipe: SearchRecipe = given["recipe"]
        self._objective: Objective = given["objective"]
        self._ledger = Ledger(given["ledger"])
        self._candidate = Candidate.of(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._candidate = Candidate.of(new_config)
        return True

    def step(self) -> dict[str, Any]:
        own = self._candidate
        step = Standing.of(self._recipe, self._ledger).next_step()
        if isinstance(step, Run) and step.candidate == own:
            carry_out(step, self._recipe, self._objective, self._ledger)
        standing = Standing.of(self._recipe, self._ledger)
        if failure := standing.failure(own):
            raise RuntimeError(failure)  # for Tune, and for Optuna; the ledger has it already
        rung, metric = standing.best_so_far(own) or (0, float("nan"))
        return {METRIC: metric, TRAINING_ITERATION: rung + 1}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {}  # the ledger holds all

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass


class Halving(FIFOScheduler):
    """Pauses every trial after its rung and resumes those that the ledger says come next."""

    def __init__(self, recipe: SearchRecipe, ledger: Ledger, news: News) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recipe, self._ledger, self._news = recipe, ledger, news
        self._added: list[str] = []  # Tune's ids, in the order in which trials came

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        num_proposed = len(self._ledger.proposals())
        is_known = len(self._added) < num_proposed  # the trial comes again after a restart
        if not is_known and num_proposed < self._recipe.max_trials:
            self._ledger.propose(Candidate.of(trial.config))
        self._added.append(trial.trial_id)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        self._news.tell()
        step, own = self._next_step(), Candidate.of(trial.config)
        if isinstance(step, Run) and step.candidate == own:
            return str(TrialScheduler.CONTINUE)
        is_finished = result[TRAINING_ITERATION] == self._recipe.num_rungs
        return str(TrialScheduler.STOP if is_finished or isinstance(step, End) else TrialScheduler.PAUSE)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        close_lost(self._ledger, Candidate.of(trial.config).trial, "its process was killed")
        self._news.tell()

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        trials: list[Trial] = tune_controller.get_trials()
        if any(trial.status == Trial.RUNNING for trial in trials):
            return None
        step, size = self._next_step(), self._recipe.bracket_size
        if isinstance(step, End):
            return None
        # Trials of a bracket that is over make room for the next.
        num_over = len(self._ledger.proposals()) - (0 if isinstance(step, Propose) else 1)
        over = set(self._added[: num_over // size * size])
        for trial in trials:
            if trial.trial_id in over and trial.status == Trial.PAUSED:
                tune_controller.stop_trial(trial)
        if isinstance(step, Run):
            for trial in trials:
                if trial.status in (Trial.PAUSED, Trial.PENDING) and Candidate.of(trial.config) == step.candidate:
                    return trial
        return None

    def _next_step(self) -> Run | Propose | End:
        return Standing.of(self._recipe, self._ledger).next_step()


class AtTheEnd(tune.Stopper):
    """Stops all trials once the ledger says that the search is over."""

    def __init__(self, recipe: SearchRecipe, ledger: Ledger) -> None:
        self._recipe, self._ledger = recipe, ledger

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False  # one by one they are paused

    def stop_all(self) -> bool:
        return isinstance(Standing.of(self._recipe, self._ledger).next_step(), End)
