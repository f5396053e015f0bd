"""Search: the best encoder and fine-tuning for a task, under a goal and a budget of device seconds.

A searcher is one file and one line in `SEARCHERS`; the engines load where they are used.
"""

from typing import TYPE_CHECKING, Protocol

from ml.near_names import near

if TYPE_CHECKING:
    from ml.search.halving import Outcome
    from ml.search.ledger import Ledger
    from ml.search.objective import Objective
    from ml.search.recipe import SearchRecipe
    from ml.search.trials import OnAttempt


class Searcher(Protocol):
    """An engine: it proposes trials and runs their rungs, as `ml.search.halving` tells from the ledger."""

    def __call__(
        self,
        recipe: "SearchRecipe",
        objective: "Objective",
        ledger: "Ledger",
        on_attempt: "OnAttempt | None" = None,
    ) -> "Outcome":
        """Search until the goal, the budget or the trials end it; whatever befalls a trial, the others go on.

        The ledger is open (`Ledger.opened`). What it holds is not run again: a killed search goes on when called anew.
        `on_attempt` is told of every attempt that has ended, those of earlier calls first.
        """
        ...


def with_ray_tune(
    recipe: "SearchRecipe", objective: "Objective", ledger: "Ledger", on_attempt: "OnAttempt | None" = None
) -> "Outcome":
    """Ray Tune: Optuna as its search algorithm, each trial an actor."""
    from ml.search.ray_local import local_ray

    with local_ray():
        from ml.search import ray_tune

        return ray_tune.search(recipe, objective, ledger, on_attempt)


def with_optuna(
    recipe: "SearchRecipe", objective: "Objective", ledger: "Ledger", on_attempt: "OnAttempt | None" = None
) -> "Outcome":
    """Optuna alone, each rung a process."""
    from ml.search import optuna_search

    return optuna_search.search(recipe, objective, ledger, on_attempt)


SEARCHERS: dict[str, Searcher] = {
    "ray_tune": with_ray_tune,
    "optuna": with_optuna,
}


def run_search(
    recipe: "SearchRecipe", objective: "Objective", ledger: "Ledger", inputs: str, on_attempt: "OnAttempt | None" = None
) -> "Outcome":
    """The outcome of a search by the engine that its recipe names; `inputs` is the fingerprint of its data.

    Raises:
        ValueError: the searcher is unknown, or the ledger is that of another search or of other data.
        BlockingIOError: another process searches with this ledger.
    """
    if recipe.searcher not in SEARCHERS:
        raise ValueError(f"unknown searcher {recipe.searcher!r}; {near(recipe.searcher, SEARCHERS)}")
    with ledger.opened(f"{recipe.fingerprint()}-{inputs}"):
        return SEARCHERS[recipe.searcher](recipe, objective, ledger, on_attempt)
