"""Jobs of encoders: each launches assets for one partition."""

import dagster as dg

encode = dg.define_asset_job(
    "encode",
    selection=dg.AssetSelection.assets("encoders", "embeddings"),
    description="Train or load one encoder and embed the dataset with it.",
)

evaluate_encoder = dg.define_asset_job(
    "evaluate_encoder",
    selection=dg.AssetSelection.assets("encoder_quality", "similarity_index", "embedding_drift"),
    description="Evaluate one encoder's embeddings on validation labels, index them, compare deliveries with training.",
)

JOBS = [encode, evaluate_encoder]
