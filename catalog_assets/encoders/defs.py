"""The definitions of encoders."""

import dagster as dg

from catalog_assets.encoders.encoders import embeddings, encoders
from catalog_assets.encoders.jobs import JOBS
from catalog_assets.encoders.quality import encoder_quality
from catalog_assets.encoders.similarity import similarity_index
from catalog_assets.encoders.titles import title_embeddings

defs = dg.Definitions(
    assets=[
        encoders,
        embeddings,
        encoder_quality,
        similarity_index,
        title_embeddings,
    ],
    jobs=JOBS,
)
