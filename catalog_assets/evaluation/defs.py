"""The definitions of evaluation."""

import dagster as dg

from catalog_assets.evaluation.champion import champion
from catalog_assets.evaluation.champion_decisions import champion_decisions
from catalog_assets.evaluation.comparison import comparison
from catalog_assets.evaluation.confidence import confidence
from catalog_assets.evaluation.confusion import confusion
from catalog_assets.evaluation.jobs import JOBS
from catalog_assets.evaluation.metrics import metrics
from catalog_assets.evaluation.predictions import predictions
from catalog_assets.evaluation.suspect_labels import suspect_labels

defs = dg.Definitions(
    assets=[
        predictions,
        metrics,
        confusion,
        comparison,
        confidence,
        champion_decisions,
        champion,
        suspect_labels,
    ],
    jobs=JOBS,
)
