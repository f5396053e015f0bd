"""The project's definitions for tests that kill its services: `feed_sensor` alone, and a categorization that can halt.

While the store holds a file `halt`, a categorization halts after the first batch of predictions and writes the id of
its process to `halted`.
"""

import itertools
import os
import signal
from pathlib import Path

import dagster as dg

from catalog_assets.definitions import definitions
from catalog_assets.ingestion.feed_sensor import feed_sensor
from ml.deployment.categories import CategoryPredictions
from ml.deployment.deployment import Deployment
from ml.pixels import PixelsLike
from resources.settings import Settings

ROOT = Path(os.environ["SHELFSIGHT_STORE"])


def with_one_sensor(whole: dg.Definitions) -> dg.Definitions:
    """The same with `feed_sensor` alone: the others would start what no test here waits for."""
    return dg.Definitions(
        assets=whole.assets,
        asset_checks=whole.asset_checks,
        jobs=whole.jobs,
        sensors=[feed_sensor],
        resources=whole.resources,
        loggers=whole.loggers,
        executor=whole.executor,
    )


feed_sensor._min_interval = 1  # a daemon that is started again looks at once
defs = with_one_sensor(definitions(Settings.read(store=str(ROOT))))
_predict = Deployment.predict
_batches = itertools.count()


def _halting_predict(deployment: Deployment, pixels: PixelsLike, coverage: float) -> CategoryPredictions:
    if next(_batches) and (ROOT / "halt").exists():
        (ROOT / "halted").write_text(str(os.getpid()))
        signal.pause()
    return _predict(deployment, pixels, coverage)


Deployment.predict = _halting_predict  # type: ignore[method-assign]
