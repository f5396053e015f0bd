"""Generated store for the benchmark of exports: partners' deliveries with predictions, and a dataset with images."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from PIL import Image

from catalog.images.shard_files import ShardFiles, images_table
from catalog.images.stored_image import StoredImage
from catalog.storage.files import store_path
from catalog.taxonomy.google import VERSION_LINE

ROWS_PER_DELIVERY, ROWS_PER_SHARD = 100_000, 1_000
NUM_CATEGORIES, NUM_IMAGES, IMAGE_SIDE_PX = 500, 256, 96
RECEIVED_AT = "2026-11-01T00:00:00+00:00"
RECORD = {"partner_id": "", "feed": "feed.tsv", "feed_format": "google_tsv", "sha256": "", "num_bytes": 1}
SPLITS = ("train", "val", "test", "golden")


def write_catalog(store: Path, num_rows: int, seed: int = 7) -> None:
    """Writes products and their predictions, ten deliveries a partner, and the taxonomy."""
    dice = np.random.default_rng(seed)
    paths = [f"Kind {number}" for number in range(NUM_CATEGORIES)]
    _write(store / "taxonomy", pl.DataFrame({"category_id": range(NUM_CATEGORIES), "path": paths}))
    (store / "reference").mkdir()
    lines = "".join(f"{number} - {path}\n" for number, path in enumerate(paths))
    (store / "reference" / "taxonomy.txt").write_text(f"{VERSION_LINE} 2021-09-21\n{lines}")
    (store / "deliveries").mkdir()
    for first in range(0, num_rows, ROWS_PER_DELIVERY):
        number = first // ROWS_PER_DELIVERY
        partner = f"partner-{number // 10}"
        delivery = f"{partner}.feed.{number % 10 + 1:05d}"
        rows = np.arange(first, min(first + ROWS_PER_DELIVERY, num_rows))
        record = {"key": delivery, "received_at": RECEIVED_AT, **RECORD}
        (store / "deliveries" / f"{delivery}.json").write_text(json.dumps(record))
        _write(store / "products" / f"delivery={delivery}", _products(partner, rows, dice))
        _write(store / "universal_catalog" / f"delivery={delivery}", _predictions(partner, rows, paths, dice))


def write_dataset(store: Path, num_rows: int, seed: int = 8) -> None:
    """Writes the table dataset, and the shards of its images: photographs of few colors, some kilobytes each."""
    dice = np.random.default_rng(seed)
    images = [_image(dice) for _ in range(NUM_IMAGES)]
    tables = []
    for first in range(0, num_rows, ROWS_PER_SHARD):
        number = first // ROWS_PER_SHARD
        delivery, shard = f"partner-0.feed.{number // 100 + 1:05d}", number % 100
        rows = range(first, min(first + ROWS_PER_SHARD, num_rows))
        shown = {f"partner-0:SKU-{row:09d}": images[row % NUM_IMAGES] for row in rows}
        folder = store / "images" / f"delivery={delivery}"
        files = ShardFiles(store_path(str(folder)), store_path(str(store / "outcomes")), shard)
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(images_table(shown), folder / f"{files.name}.parquet", compression="none")
        tables.append(_dataset_rows(shown, delivery, files.name, dice))
    _write(store / "dataset", pl.concat(tables).sort("product_id"))


def _products(partner: str, rows: np.ndarray, dice: np.random.Generator) -> pl.DataFrame:
    numbers = pl.Series(rows)
    return pl.select(
        product_id=pl.format("{}:SKU-{}", pl.lit(partner), numbers.cast(pl.String).str.zfill(9)),
        partner_id=pl.lit(partner),
        item_id=pl.format("SKU-{}", numbers.cast(pl.String).str.zfill(9)),
        title=pl.format(
            'Größe {}, "slim" linen shirt for summer, number {}', pl.Series(dice.integers(30, 60, len(rows))), numbers
        ),
        image_url=pl.format("https://images.example/p/{}-front.jpg", numbers),
        row=numbers,
        removed_at=pl.lit(None, pl.Datetime("us", "UTC")),
    )


def _predictions(partner: str, rows: np.ndarray, paths: list[str], dice: np.random.Generator) -> pl.DataFrame:
    categories = dice.integers(0, NUM_CATEGORIES, len(rows))
    probabilities = pl.Series(dice.uniform(0.3, 1, len(rows)).astype(np.float32))
    names = pl.Series(np.array(paths)[categories])
    alternatives = [{"category_id": number, "probability": 0.1} for number in range(3)]
    return pl.select(
        product_id=pl.format("{}:SKU-{}", pl.lit(partner), pl.Series(rows).cast(pl.String).str.zfill(9)),
        category_id=pl.Series(categories),
        depth=pl.lit(3, pl.Int8),
        probability=probabilities,
        leaf_id=pl.Series(categories),
        leaf_probability=probabilities,
        alternatives=pl.Series([alternatives] * len(rows)),
        sha256=pl.lit("0" * 64),
        partner_category_id=pl.Series(categories),
        business_value=pl.lit(3.0),
        path=names,
        leaf_path=names,
        classifier=pl.lit("lite0_flat"),
        classifier_sha256=pl.lit("1" * 64),
        version=pl.lit("1111111111111111-openvino-0.9"),
        changed_at=pl.lit("2026-11-02").str.to_datetime(time_unit="us", time_zone="UTC"),
    )


def _dataset_rows(shown: dict[str, StoredImage], delivery: str, shard: str, dice: np.random.Generator) -> pl.DataFrame:
    categories = pl.Series(dice.integers(0, NUM_CATEGORIES, len(shown)))
    return pl.DataFrame({"product_id": list(shown), "sha256": [each.sha256 for each in shown.values()]}).with_columns(
        partner_id=pl.lit("partner-0"),
        delivery=pl.lit(delivery),
        shard=pl.lit(shard),
        group_id=pl.col("product_id"),
        split=pl.Series(dice.choice(SPLITS, len(shown), p=(0.7, 0.1, 0.15, 0.05))),
        category_id=categories,
        **{f"level_{level}": categories for level in range(1, 5)},
    )


def _image(dice: np.random.Generator) -> StoredImage:
    pixels = dice.integers(0, 256, (8, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((IMAGE_SIDE_PX, IMAGE_SIDE_PX)).save(file, "JPEG", quality=90)
    data = file.getvalue()
    return StoredImage(data, IMAGE_SIDE_PX, IMAGE_SIDE_PX, hashlib.sha256(data).hexdigest(), 0)


def _write(folder: Path, rows: pl.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(folder / "data.parquet")
