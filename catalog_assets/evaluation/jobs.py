"""Jobs of evaluation: each launches assets for one partition."""

import dagster as dg

evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets("predictions", "metrics", "calibration", "confusion"),
    description="Predict the held-out products with one classifier, student or ensemble, and evaluate the predictions.",
)

calibrate = dg.define_asset_job(
    "calibrate",
    selection=dg.AssetSelection.assets("confidence"),
    description="Fit a classifier's confidence on validation products.",
)

compare = dg.define_asset_job(
    "compare",
    selection=dg.AssetSelection.assets("comparison", "champion_decisions", "champion", "warehouse"),
    description="Compare all classifiers, decide on the champion, refresh the warehouse's views.",
)

audit = dg.define_asset_job(
    "audit",
    selection=dg.AssetSelection.assets("suspect_labels"),
    description="List the labels that one encoder's embeddings contradict.",
)

JOBS = [evaluate, calibrate, compare, audit]
