"""All definitions of shelfsight, merged. Served by ``shelfsight up``."""

import dagster as dg

from catalog_assets.automation import defs as automation
from catalog_assets.classifiers import defs as classifiers
from catalog_assets.dataset import defs as dataset
from catalog_assets.encoders import defs as encoders
from catalog_assets.evaluation import defs as evaluation
from catalog_assets.idioms.console import console
from catalog_assets.idioms.executors import executor
from catalog_assets.idioms.owners import with_owners
from catalog_assets.ingestion import defs as ingestion
from catalog_assets.serving import defs as serving
from resources.configured import configured
from resources.settings import Settings

# In the order of the flow. Modules, as Dagster loads a module that has one Definitions object, not several.
DOMAINS = (ingestion, dataset, encoders, classifiers, evaluation, serving, automation)


def definitions(settings: Settings) -> dg.Definitions:
    """All assets, checks, jobs, sensors and schedules, over the store that the settings name."""
    merged = dg.Definitions.merge(*(domain.defs for domain in DOMAINS))
    assets = with_owners(merged.assets or [])
    return dg.Definitions(
        assets=assets,
        asset_checks=merged.asset_checks,
        jobs=merged.jobs,
        sensors=merged.sensors,
        schedules=merged.schedules,
        resources=configured(settings),
        loggers={"console": console},
        executor=executor(assets, settings),
    )


defs = definitions(Settings.read())
