"""Definitions of the dataset: asset, checks and job."""

import dagster as dg

from catalog_assets.dataset.checks import (
    label_coverage,
    largest_group,
    no_golden_product_in_training,
    no_group_in_two_splits,
    no_product_in_another_split,
)
from catalog_assets.dataset.dataset import dataset
from catalog_assets.dataset.jobs import JOBS
from catalog_assets.dataset.placeholders import placeholders

defs = dg.Definitions(
    assets=[
        dataset,
        placeholders,
    ],
    asset_checks=[
        no_group_in_two_splits,
        no_product_in_another_split,
        no_golden_product_in_training,
        largest_group,
        label_coverage,
    ],
    jobs=JOBS,
)
