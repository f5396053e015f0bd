"""Groups and splits a generated catalog, in a separate process: python -m benchmarks.grouping_ours FOLDER."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.grouping_rows import IMAGES, PRODUCTS, thumbnails_of
from catalog.dataset.duplicates import equal_images, image_keys, near_duplicates
from catalog.dataset.splits import splits_of

ROWS_PER_CHUNK = 1 << 18


def main(folder: Path) -> None:
    """Groups, assigns splits, and writes `groups.parquet` and `figures.json`."""
    started = time.perf_counter()
    # Read-ahead buffers stay in memory until the last batch.
    images = pq.ParquetFile(folder / IMAGES, pre_buffer=False)
    num_rows = images.metadata.num_rows
    keys = np.empty((num_rows, 2), dtype=np.uint64)
    dhash = np.empty(num_rows, dtype=np.uint64)
    at = 0
    for group in range(images.num_row_groups):
        for batch in images.iter_batches(ROWS_PER_CHUNK, row_groups=[group]):
            rows = pl.DataFrame(pl.from_arrow(batch))
            keys[at : at + len(rows)] = image_keys(rows["sha256"])
            dhash[at : at + len(rows)] = rows["dhash"].to_numpy()
            at += len(rows)
    first = equal_images(keys)
    del keys
    num_distinct = int(np.count_nonzero(first == np.arange(num_rows, dtype=np.int32)))
    read_s = time.perf_counter() - started
    num_thumbnails = 0

    def thumbnails(indices: np.ndarray) -> np.ndarray:
        nonlocal num_thumbnails
        num_thumbnails += len(indices)
        return thumbnails_of(folder, indices)

    first = near_duplicates(first, dhash, thumbnails)
    del dhash
    grouped_s = time.perf_counter() - started
    sizes = np.bincount(first)
    largest, num_groups = int(sizes.max()), int(np.count_nonzero(sizes))
    del sizes

    product_ids = pl.read_parquet(folder / PRODUCTS)["product_id"]
    schema = pa.schema(
        [("product_id", pa.large_string()), ("group_id", pa.large_string()), ("split", pa.large_string())]
    )
    with pq.ParquetWriter(folder / "groups.parquet", schema) as file:
        for start in range(0, num_rows, ROWS_PER_CHUNK):
            group_id = product_ids.gather(first[start : start + ROWS_PER_CHUNK]).alias("group_id")
            rows = product_ids.slice(start, ROWS_PER_CHUNK).to_frame().with_columns(group_id, splits_of(group_id))
            file.write_table(rows.to_arrow().cast(schema))
    figures = {
        "equal_s": read_s,
        "near_s": grouped_s - read_s,
        "written_s": time.perf_counter() - started - grouped_s,
        "num_distinct": num_distinct,
        "num_thumbnails": num_thumbnails,
        "num_groups": num_groups,
        "largest": largest,
    }
    (folder / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
