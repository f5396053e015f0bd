"""The definitions of serving."""

import dagster as dg

from catalog_assets.serving.deployment import deployment
from catalog_assets.serving.jobs import JOBS
from catalog_assets.serving.repredicting import repredict_sensor
from catalog_assets.serving.universal_catalog import universal_catalog

defs = dg.Definitions(
    assets=[
        deployment,
        universal_catalog,
    ],
    jobs=JOBS,
    sensors=[repredict_sensor],
)
