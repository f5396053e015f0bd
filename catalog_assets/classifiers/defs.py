"""The definitions of classifiers."""

import dagster as dg

from catalog_assets.classifiers.attribute_classifiers import attribute_classifiers
from catalog_assets.classifiers.attribute_metrics import attribute_metrics
from catalog_assets.classifiers.attribute_predictions import attribute_predictions
from catalog_assets.classifiers.classifiers import classifiers
from catalog_assets.classifiers.data_efficiency import data_efficiency
from catalog_assets.classifiers.ensembles import ensembles
from catalog_assets.classifiers.jobs import JOBS
from catalog_assets.classifiers.multimodal import multimodal
from catalog_assets.classifiers.searches import searches
from catalog_assets.classifiers.share_outcomes import share_outcomes
from catalog_assets.classifiers.students import students

defs = dg.Definitions(
    assets=[
        classifiers,
        searches,
        students,
        ensembles,
        attribute_classifiers,
        attribute_predictions,
        attribute_metrics,
        share_outcomes,
        data_efficiency,
        multimodal,
    ],
    jobs=JOBS,
)
