"""Shard images: reads images of one shard by product id; without Dagster, so that executors can import it, too."""

import polars as pl
from upath import UPath


def shard_images(images: UPath, shard: str, product_ids: pl.Series) -> list[bytes]:
    """Reads the encoded images of these products, in their order; `images` is a delivery's folder.

    Raises:
        LookupError: the shard lacks one of them.
    """
    path = images / f"{shard}.parquet"
    stored = pl.scan_parquet(str(path), glob=False).select("product_id", pl.col("image").struct.field("bytes"))
    wanted = pl.LazyFrame({"product_id": product_ids})
    found = wanted.join(stored, on="product_id", how="left", maintain_order="left").collect()
    if found["bytes"].null_count():
        lost = found.filter(pl.col("bytes").is_null())["product_id"][0]
        delivery = images.name.removeprefix("delivery=")
        raise LookupError(f"image of {lost!r} is not in {path}; materialize images[{delivery}] and dataset again")
    return found["bytes"].to_list()
