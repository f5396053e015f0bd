"""A small store: deliveries with products and predictions, a taxonomy, and a dataset with image shards."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
from upath import UPath

from catalog.images.shard_files import ShardFiles, images_table
from catalog.images.stored_image import StoredImage
from catalog.storage.files import write_parquet
from tests.catalog.images.sample_images import jpeg

PATHS = {166: "Apparel & Accessories", 187: "Apparel & Accessories > Shoes", 1604: "Apparel & Accessories > Clothing"}
LEAVES = (187, 1604)
GOOGLE_FILE = "# Google_Product_Taxonomy_Version: 2021-09-21\n"
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
Row = Mapping[str, Any]


def write_delivery(
    root: Path, key: str, rows: Sequence[Row], *, received_at: datetime = NOON, without: Sequence[str] = ()
) -> None:
    """Writes a delivery; each row has an `item` and, where it differs, columns of products or universal_catalog."""
    partner = key.partition(".")[0]
    products, predictions = [], []
    for number, row in enumerate(rows, start=1):
        product_id = f"{partner}:{row['item']}"
        category_id = row.get("category_id", 187)
        path = PATHS.get(category_id) if category_id is not None else None
        products.append(
            {
                "product_id": product_id,
                "partner_id": partner,
                "item_id": row["item"],
                "title": row.get("title", f"Shoe {row['item']}"),
                "image_url": f"https://shop.example/{number}.jpg",
                "row": number,
                "removed_at": row.get("removed_at"),
            }
        )
        predictions.append(
            {
                "product_id": product_id,
                "category_id": category_id,
                "path": path,
                "depth": 0 if path is None else path.count(">") + 1,
                "probability": row.get("probability", 0.9),
                "leaf_id": 187,
                "leaf_path": PATHS[187],
                "leaf_probability": 0.8,
                "alternatives": [{"category_id": 1604, "probability": 0.1}],
                "partner_category_id": None,
                "business_value": None,
                "changed_at": row.get("changed_at", NOON),
                "classifier": "flat",
                "version": "v1",
            }
        )
    types = {"removed_at": pl.Datetime("us", "UTC"), "changed_at": pl.Datetime("us", "UTC"), "category_id": pl.Int64}
    folder = UPath(root)
    for table, records in (("products", products), ("universal_catalog", predictions)):
        frame = pl.DataFrame(records, schema_overrides=types, infer_schema_length=None).drop(without, strict=False)
        write_parquet(frame, folder / table / f"delivery={key}" / "data.parquet")
    record = {
        "key": key,
        "partner_id": partner,
        "feed": f"{partner}/feed.tsv",
        "feed_format": "google_tsv",
        "sha256": "0" * 64,
        "num_bytes": 1,
        "received_at": received_at.isoformat(),
    }
    (root / "deliveries").mkdir(exist_ok=True)
    (root / "deliveries" / f"{key}.json").write_text(json.dumps(record))


def write_taxonomy(root: Path, *, first_line: str = GOOGLE_FILE, extension: str = "") -> None:
    """Writes the reference file and the table of the taxonomy."""
    lines = "".join(f"{category_id} - {path}\n" for category_id, path in PATHS.items())
    (root / "reference").mkdir(parents=True, exist_ok=True)
    (root / "reference" / "taxonomy.txt").write_text(first_line + lines)
    if extension:
        (root / "reference" / "taxonomy-extensions.txt").write_text(extension)
    table = pl.DataFrame(list(PATHS.items()), schema=["category_id", "path"], orient="row")
    write_parquet(table, UPath(root) / "taxonomy" / "data.parquet")


def write_dataset(root: Path, splits: Mapping[str, int], *, num_unlabeled: int = 0) -> dict[str, bytes]:
    """Writes a dataset with so many labeled rows of each split in shards of four; returns the image of each product."""
    write_taxonomy(root)
    images = UPath(root / "images" / "delivery=acme.spring")
    wanted = [split for split, num in splits.items() for _ in range(num)] + [None] * num_unlabeled
    stored, rows = {}, []
    for number, split in enumerate(wanted):
        product_id = f"acme:a/b.{number}"  # an id that is no name of a file
        data = jpeg(20 + number, 16, seed=number)
        stored[product_id] = StoredImage(data, 20 + number, 16, sha256(data).hexdigest(), 0)
        leaf = None if split is None else LEAVES[number % 2]
        rows.append(
            {
                "product_id": product_id,
                "partner_id": "acme",
                "delivery": "acme.spring",
                "shard": f"shard-{number // 4:05d}",
                "sha256": stored[product_id].sha256,
                "group_id": product_id,
                "split": split or "train",
                "category_id": leaf,
                **{f"level_{level}": (166 if level == 1 and leaf else leaf) for level in range(1, 5)},
            }
        )
    for first in range(0, len(rows), 4):
        shard = ShardFiles(images, UPath(root / "outcomes"), first // 4)
        part = {row["product_id"]: stored[row["product_id"]] for row in rows[first : first + 4]}
        name = shard.write(pl.DataFrame({"product_id": list(part), "status": "ok"}), images_table(part))
        for row in rows[first : first + 4]:
            row["shard"] = name
    frame = pl.DataFrame(rows, schema_overrides={"category_id": pl.Int64}, infer_schema_length=None)
    write_parquet(frame, UPath(root) / "dataset" / "data.parquet")
    return {product_id: image.data for product_id, image in stored.items()}
