"""Title embeddings: the title of every usable product as a vector of a sentence encoder."""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from resources.artifacts.text_embeddings import RECORD, TABLE, stored_title_embeddings, title_hash, titles_of
from resources.compute import Compute
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.encoders.text_encoder import SentenceEncoder

MIN_TO_TIME = 1_000  # below, timing a device takes longer than it can save


@dg.asset(
    pool="device",
    group_name="encoders",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
@retried(DEVICE)
def title_embeddings(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    products: pl.LazyFrame,
    store: Store,
    compute: Compute,
) -> dg.MaterializeResult[None]:
    """The embedding of every usable product's title; a title that was embedded before is not embedded again."""
    usable = dataset.select("product_id", "delivery", "partner_id").collect()
    titles = titles_of(usable, products)
    if (titles["title"].str.strip_chars() == "").all():
        raise dg.Failure(
            f"none of {len(titles):,} usable products has a title, so there is nothing to embed; "
            "request the attribute title from the partners, or classify by images alone"
        )
    encoder = _encoder()
    distinct = titles["title"].unique(maintain_order=True)
    by_hash = pl.DataFrame({"title": distinct, "title_hash": [title_hash(title) for title in distinct]})
    known = by_hash.join(
        stored_title_embeddings(store, encoder.sha256), on="title_hash", how="left", maintain_order="left"
    )
    with compute.session() as session:
        embedded = _completed(context, encoder, known, session.device)
    frame = titles.join(embedded, on="title", how="left", maintain_order="left").select(
        "product_id", "title_hash", "embedding", is_empty=~pl.col("has_words")
    )
    path = store.write(frame.drop("is_empty"), TABLE)
    version = content_version(frame)
    store.write_json({"model_sha256": encoder.sha256, "version": version.value}, TABLE, RECORD)
    is_empty = frame["is_empty"]
    by_partner = usable.with_columns(is_empty).group_by("partner_id").agg(pl.len(), pl.col("is_empty").mean())
    renamed = by_partner.sort("partner_id").rename({"len": "products", "is_empty": "share without a title"})
    return dg.MaterializeResult(
        data_version=version,
        metadata={
            "dagster/row_count": len(frame),
            "different titles": len(known),
            "embedded now": known["embedding"].null_count(),
            "products without a title": int(is_empty.sum()),  # or with a title without words
            "share without a title": int(is_empty.sum()) / len(frame),
            "by partner": dg.MetadataValue.md(table(renamed)),
            "device_seconds": session.device_seconds,
            "table": dg.MetadataValue.path(str(path)),
        },
    )


def _encoder() -> "SentenceEncoder":
    from ml.encoders.text_encoder import SentenceEncoder  # torch loads only where it embeds

    try:
        return SentenceEncoder()
    except RuntimeError as error:  # the message names the missing extra
        raise dg.Failure(str(error)) from error


def _completed(
    context: dg.AssetExecutionContext, encoder: "SentenceEncoder", known: pl.DataFrame, device: "torch.device"
) -> pl.DataFrame:
    """Adds the missing embeddings; returns title, title_hash, embedding, has_words."""
    from ml.encoders.text_encoder import embed_titles, faster_precision

    is_new = known["embedding"].is_null()
    new = known["title"].filter(is_new)
    precision = faster_precision(encoder, device) if len(new) >= MIN_TO_TIME else "float32"
    vectors = np.zeros((len(known), encoder.dim), dtype=np.float32)
    if len(new) < len(known):
        vectors[~is_new.to_numpy()] = known["embedding"].drop_nulls().to_numpy()
    positions, done = np.flatnonzero(is_new.to_numpy()), 0
    for part in embed_titles(encoder, new, device, precision):
        vectors[positions[done : done + len(part)]] = part
        done += len(part)
        context.log.info(f"{done:,} of {len(new):,} titles embedded in {precision}")
    return known.select("title", "title_hash").with_columns(
        embedding=pl.Series(vectors, dtype=pl.Array(pl.Float32, encoder.dim)), has_words=pl.Series(vectors.any(axis=1))
    )
