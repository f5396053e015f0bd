"""Search for the best encoder and fine-tuning of a task, under a goal and a budget of device seconds.

A searcher is one file and one line in `SEARCHERS`; engines are imported where they are used.
"""

from typing import TYPE_CHECKING, Protocol

from ml.name_suggestions import suggest_names

if TYPE_CHECKING:
    from ml.search.ledger import Ledger
    from ml.search.objective import Objective
    from ml.search.outcome import SearchOutcome
    from ml.search.recipe import SearchRecipe
    from ml.search.trials import OnAttempt


class Searcher(Protocol):
    """An engine that proposes trials and runs their rungs in the order of `ml.search.halving`."""

    def __call__(
        self,
        recipe: "SearchRecipe",
        objective: "Objective",
        ledger: "Ledger",
        on_attempt: "OnAttempt | None" = None,
    ) -> "SearchOutcome":
        """Search until the goal is reached or the budget or the trials are used up; a failed trial ends no other.

        Whatever the budget, the outcome has the best classifier so far; only where no probe finished, it has none.

        Args:
            recipe: the search.
            objective: what to maximize; pickled into every trial's process.
            ledger: open (`Ledger.opened`). Its finished rungs are not run again, so a killed search can be resumed.
            on_attempt: called for every attempt that has ended, those of earlier calls first.
        """
        ...


def with_ray_tune(
    recipe: "SearchRecipe", objective: "Objective", ledger: "Ledger", on_attempt: "OnAttempt | None" = None
) -> "SearchOutcome":
    """Search with Ray Tune: Optuna proposes, each trial is an actor."""
    from ml.search.ray_local import local_ray

    with local_ray():
        from ml.search import ray_tune

        return ray_tune.search(recipe, objective, ledger, on_attempt)


def with_optuna(
    recipe: "SearchRecipe", objective: "Objective", ledger: "Ledger", on_attempt: "OnAttempt | None" = None
) -> "SearchOutcome":
    """Search with Optuna alone; each rung is a process."""
    from ml.search import optuna_search

    return optuna_search.search(recipe, objective, ledger, on_attempt)


SEARCHERS: dict[str, Searcher] = {
    "ray_tune": with_ray_tune,
    "optuna": with_optuna,
}


def run_search(
    recipe: "SearchRecipe", objective: "Objective", ledger: "Ledger", inputs: str, on_attempt: "OnAttempt | None" = None
) -> "SearchOutcome":
    """Run or resume a search with the engine that its recipe names.

    Args:
        recipe: the search.
        objective: what to maximize.
        ledger: the file of this search.
        inputs: the fingerprint of the data.
        on_attempt: called for every attempt that has ended.

    Raises:
        ValueError: the searcher is unknown, or the ledger belongs to another search or other data.
        BlockingIOError: another process searches with this ledger.
    """
    if recipe.searcher not in SEARCHERS:
        raise ValueError(f"unknown searcher {recipe.searcher!r}; {suggest_names(recipe.searcher, SEARCHERS)}")
    with ledger.opened(f"{recipe.fingerprint()}-{inputs}"):
        return SEARCHERS[recipe.searcher](recipe, objective, ledger, on_attempt)
