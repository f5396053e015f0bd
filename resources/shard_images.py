"""Shard images: reads images of one shard by product id; without Dagster, so that executors can import it, too."""

import hashlib

import polars as pl
from upath import UPath

from catalog.images.shard_files import image_paths


def shard_images(images: UPath, shard: str, product_ids: pl.Series, sha256: pl.Series | None = None) -> list[bytes]:
    """Reads the encoded images of these products, in their order.

    Where the shard was written again since its name was read, images that are the same in its newer version are found
    there.

    Args:
        images: the delivery's folder of the images table.
        shard: the name of the shard's file, without suffix.
        product_ids: of the products.
        sha256: the hash of each product's image, if known; every image that is read is compared with it.

    Raises:
        LookupError: the shard lacks one of them, or has another image.
    """
    paths = image_paths(images, shard)
    columns = ("product_id", pl.col("image").struct.field("bytes"))
    stored = pl.concat(pl.scan_parquet(str(path), glob=False).select(*columns) for path in paths)
    wanted = pl.LazyFrame({"product_id": product_ids}).with_row_index("position")
    rows = wanted.join(stored, on="product_id", how="left", maintain_order="left").collect()
    recorded = sha256.to_list() if sha256 is not None else [None] * len(product_ids)
    found: dict[int, bytes] = {}
    problems: dict[int, str] = {}
    for position, data in rows.select("position", "bytes").iter_rows():
        if problem := _problem(data, recorded[position]):
            problems[position] = problem
        else:
            found.setdefault(position, data)
    for position in problems.keys() - found.keys():
        delivery = images.name.removeprefix("delivery=")
        raise LookupError(
            f"image of {product_ids[position]!r} {problems[position]} {paths[-1]}; "
            f"materialize images[{delivery}] and dataset again"
        )
    return [found[position] for position in range(len(product_ids))]


def _problem(data: bytes | None, recorded: str | None) -> str:
    """Says what is wrong with an image; empty where nothing is, or no hash is known."""
    if data is None:
        return "is not in"
    if recorded is None or (actual := hashlib.sha256(data).hexdigest()) == recorded:
        return ""
    return f"has the hash {actual}, but {recorded} is recorded, in"
