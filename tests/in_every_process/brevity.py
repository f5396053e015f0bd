"""Short trainings and eager sensors for tests: plumbing shows with two epochs, and a daemon need not wait for a tick.

Tests and every process that they start share one version of the preset recipes, or artifacts would look outdated.
"""

import importlib.abc
import importlib.machinery
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeVar

RecipeT = TypeVar("RecipeT", bound=Any)

EPOCHS = 2
WARMUP_EPOCHS = 0.5
EAGER_AUTOMATION = "EAGER_AUTOMATION"  # in the environment of services
SENSOR_INTERVAL_S = 5  # a tick costs a core some seconds, and the tests beside it want theirs
DAEMON_INTERVAL_S = 1
# Their import takes four seconds of every run. Polars is not among them, nor what imports it: it starts threads, which
# a forked process lacks.
RUN_MODULES = ["dagster._grpc.impl", "torch", "timm"]


def shorten_trainings(recipes: ModuleType) -> None:
    """Gives every preset that trains weights two epochs; probes, which fit cached embeddings, keep theirs."""
    from ml.recipe_types import DEFAULT_EXECUTION

    encoders = [each.pretraining for each in recipes.ENCODER_RECIPES.values() if each.pretraining is not None]
    classifiers = [*recipes.CLASSIFIER_RECIPES.values(), *recipes.STUDENT_RECIPES.values()]
    for each in (*encoders, *(each for each in classifiers if each.mode == "finetune")):
        object.__setattr__(_shorten(each), "execution", DEFAULT_EXECUTION)  # which is fastest takes longer to find out
    share_recipe = recipes.share_recipe
    recipes.share_recipe = lambda *args, **kwargs: _shorten(share_recipe(*args, **kwargs))


def _shorten(recipe: RecipeT) -> RecipeT:
    """Changes a recipe's optimization in place: recipes that are derived from it later share the object."""
    optimization = recipe.optimization
    object.__setattr__(optimization, "epochs", min(optimization.epochs, EPOCHS))
    object.__setattr__(optimization, "warmup_epochs", min(optimization.warmup_epochs, WARMUP_EPOCHS))
    return recipe


def hasten_sensors(definitions: ModuleType) -> None:
    """Lets the daemon evaluate sensors every few seconds.

    The one of the conditions, whose ticks take seconds, keeps its interval but where a test waits for what it requests.
    """
    for sensor in definitions.defs.sensors or []:
        if sensor.name != "automation" or EAGER_AUTOMATION in os.environ:
            sensor._min_interval = SENSOR_INTERVAL_S


def hasten(constant: str) -> Callable[[ModuleType], None]:
    """Sets the seconds between two rounds of one of Dagster's daemons: they are constants of its modules."""

    def change(daemon: ModuleType) -> None:
        getattr(daemon, constant)  # raises where a new version of Dagster has renamed it
        setattr(daemon, constant, DAEMON_INTERVAL_S)

    return change


def fork_runs(server: ModuleType) -> None:
    """Lets a code server fork its runs from a process that has imported what they import, which takes seconds."""
    make = server.DagsterApiServer.__init__

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self._mp_ctx = multiprocessing.get_context("forkserver")
        self._mp_ctx.set_forkserver_preload(RUN_MODULES)

    server.DagsterApiServer.__init__ = initialize


AFTER_IMPORT: dict[str, Callable[[ModuleType], None]] = {
    "ml.recipes": shorten_trainings,
    "catalog_assets.definitions": hasten_sensors,
    "dagster._grpc.server": fork_runs,
    "dagster._daemon.sensor": hasten("MIN_INTERVAL_LOOP_TIME"),
    "dagster._daemon.asset_daemon": hasten("MIN_INTERVAL_LOOP_SECONDS"),
    "dagster._daemon.controller": hasten("DEFAULT_DAEMON_INTERVAL_SECONDS"),  # of the backfills
}


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of `AFTER_IMPORT` as usual and lets their functions run after each import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in AFTER_IMPORT:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                AFTER_IMPORT[name](module)

            loader.exec_module = exec_module
        return spec


def install() -> None:
    """Applies `AFTER_IMPORT` to the modules that this process imports from now on."""
    if any(isinstance(each, _Finder) for each in sys.meta_path):
        return
    if loaded := AFTER_IMPORT.keys() & sys.modules.keys():
        raise RuntimeError(f"{sorted(loaded)} were imported before tests could shorten their trainings and intervals")
    sys.meta_path.insert(0, _Finder())
