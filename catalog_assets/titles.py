"""Titles: what every usable product's title says, as a vector of a sentence encoder."""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.markdown import table
from catalog_assets.versions import content_version
from resources.compute import Compute
from resources.store import Store
from resources.text_embeddings import RECORD, TABLE, held_titles, title_hash, titles_of

if TYPE_CHECKING:
    import torch

    from ml.text import SentenceEncoder

MIN_TO_TIME = 1_000  # below, timing a device takes longer than it can save


@dg.asset(
    pool="device",
    group_name="encoders",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
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
            "ask the partners for the attribute title, or classify by pictures alone"
        )
    encoder = _encoder()
    distinct = titles["title"].unique(maintain_order=True)
    by_hash = pl.DataFrame({"title": distinct, "title_hash": [title_hash(title) for title in distinct]})
    known = by_hash.join(held_titles(store, encoder.sha256), on="title_hash", how="left", maintain_order="left")
    with compute.session() as session:
        embedded = _completed(context, encoder, known, session.device)
    frame = titles.join(embedded, on="title", how="left", maintain_order="left").select(
        "product_id", "title_hash", "embedding", says_nothing=~pl.col("says")
    )
    path = store.write(frame.drop("says_nothing"), TABLE)
    version = content_version(frame)
    store.write_json({"model_sha256": encoder.sha256, "version": version.value}, TABLE, RECORD)
    says_nothing = frame["says_nothing"]
    by_partner = usable.with_columns(says_nothing).group_by("partner_id").agg(pl.len(), pl.col("says_nothing").mean())
    renamed = by_partner.sort("partner_id").rename({"len": "products", "says_nothing": "share without a title"})
    return dg.MaterializeResult(
        data_version=version,
        metadata={
            "dagster/row_count": len(frame),
            "different titles": len(known),
            "embedded now": known["embedding"].null_count(),
            "products without a title": int(says_nothing.sum()),  # or with one in which no word is left
            "share without a title": int(says_nothing.sum()) / len(frame),
            "by partner": dg.MetadataValue.md(table(renamed)),
            "device_seconds": session.device_seconds,
            "table": dg.MetadataValue.path(str(path)),
        },
    )


def _encoder() -> "SentenceEncoder":
    from ml.text import SentenceEncoder  # torch loads only where it embeds

    try:
        return SentenceEncoder()
    except RuntimeError as error:  # it comes with an extra, and its message names that
        raise dg.Failure(str(error)) from error


def _completed(
    context: dg.AssetExecutionContext, encoder: "SentenceEncoder", known: pl.DataFrame, device: "torch.device"
) -> pl.DataFrame:
    """Titles with all their embeddings, and whether each says anything: title, title_hash, embedding, says."""
    from ml.text import embed_titles, faster_precision

    is_new = known["embedding"].is_null()
    new = known["title"].filter(is_new)
    precision = faster_precision(encoder, device) if len(new) >= MIN_TO_TIME else "float32"
    vectors = np.zeros((len(known), encoder.dim), dtype=np.float32)
    if len(new) < len(known):
        vectors[~is_new.to_numpy()] = known["embedding"].drop_nulls().to_numpy()
    places, done = np.flatnonzero(is_new.to_numpy()), 0
    for part in embed_titles(encoder, new, device, precision):
        vectors[places[done : done + len(part)]] = part
        done += len(part)
        context.log.info(f"{done:,} of {len(new):,} titles embedded in {precision}")
    return known.select("title", "title_hash").with_columns(
        embedding=pl.Series(vectors, dtype=pl.Array(pl.Float32, encoder.dim)), says=pl.Series(vectors.any(axis=1))
    )
