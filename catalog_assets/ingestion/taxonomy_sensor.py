"""The sensor that reads a new project's taxonomy, which everything else is made with."""

import dagster as dg

from catalog.taxonomy.tree import TaxonomyError
from catalog_assets.idioms.priorities import NEW_FEED
from catalog_assets.ingestion.jobs import prepare
from resources.store import Store


@dg.sensor(job=prepare, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def taxonomy_sensor(context: dg.SensorEvaluationContext, store: Store) -> dg.RunRequest | dg.SkipReason:
    """Reads the taxonomy as soon as its file is there, once; a person decides when a replaced file counts."""
    if store.holds("taxonomy"):
        return dg.SkipReason("the taxonomy is read; after replacing its file run the job 'prepare'")
    try:
        known = store.taxonomy()
    except TaxonomyError as error:
        return dg.SkipReason(str(error))
    return dg.RunRequest(run_key=known.fingerprint, tags=NEW_FEED)
