"""Generated store for the benchmark of the explorer: deliveries of ten partners, of which a part has images."""

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from PIL import Image

from catalog.images.shard_files import images_table
from catalog.images.stored_image import StoredImage
from catalog.products.parsing import PRODUCTS_SCHEMA
from catalog.storage.files import store_path
from catalog.storage.warehouse import write_warehouse
from catalog.taxonomy.google import VERSION_LINE

ROWS_PER_DELIVERY, ROWS_PER_SHARD, NUM_PARTNERS = 10_000, 1_000, 10
ROOTS, GROUPS, KINDS, LEAVES = 20, 8, 5, 7  # 20 + 160 + 800 + 5,600 categories
IMAGE_SIDE_PX, NUM_IMAGES = 256, 200
START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("shirt", "dress", "boot", "lamp", "sofa", "chair", "phone", "camera", "bottle", "puzzle", "tent", "glove")
COLORS = ("black", "white", "red", "blue", "green", "gray", "yellow", "brown")
FAILURES = ("gone", "timeout", "http_error", "not_an_image", "redirected_home")
COMMENT = b"\xff\xfe"  # a segment of a JPEG that changes its bytes alone


def write_store(root: Path, num_rows: int, num_images: int, seed: int = 7) -> None:
    """Writes the tables of a store, its reference data and the warehouse."""
    dice = np.random.default_rng(seed)
    leaves = _write_taxonomy(root, dice)
    bases = _images(dice)
    (root / "deliveries").mkdir()
    share = num_images / num_rows
    for number, first in enumerate(range(0, num_rows, ROWS_PER_DELIVERY)):
        size = min(ROWS_PER_DELIVERY, num_rows - first)
        partner = f"partner-{number % NUM_PARTNERS}"
        delivery = f"{partner}.feed-{number // NUM_PARTNERS}"
        received_at = START + timedelta(days=number)
        record = {"key": delivery, "feed": f"{partner}/feed-{number}.tsv", "received_at": received_at.isoformat()}
        (root / "deliveries" / f"{delivery}.json").write_text(json.dumps(record))
        products = _products(partner, first, size, leaves, dice)
        _write(root / "products" / f"delivery={delivery}", products)
        _write_outcomes(root, delivery, products, round(size * share), bases, received_at)
        _write(root / "universal_catalog" / f"delivery={delivery}", _predictions(products, leaves, dice, received_at))
    write_warehouse(root / "catalog.duckdb", str(root))


def _write_taxonomy(root: Path, dice: np.random.Generator) -> "list[tuple[int, str]]":
    """Writes the taxonomy and the units sold; returns the leaves with their paths."""
    rows: list[dict[str, Any]] = []

    def add(names: list[str], above: list[int]) -> list[int]:
        ids = [*above, len(rows) + 1]
        levels = {f"level_{level + 1}": ids[min(level, len(ids) - 1)] for level in range(4)}
        rows.append({"category_id": ids[-1], "name": names[-1], "path": " > ".join(names), "is_leaf": len(ids) == 4})
        rows[-1].update(levels)
        return ids

    for root_number in range(ROOTS):
        at_root = add([f"Root {root_number}"], [])
        for group in range(GROUPS):
            names = [f"Root {root_number}", f"Group {root_number}-{group}"]
            at_group = add(names, at_root)
            for kind in range(KINDS):
                kind_names = [*names, f"Kind {root_number}-{group}-{kind}"]
                at_kind = add(kind_names, at_group)
                for leaf in range(LEAVES):
                    add([*kind_names, f"Leaf {root_number}-{group}-{kind}-{leaf}"], at_kind)
    _write(root / "taxonomy", pl.DataFrame(rows))
    leaves = [(each["category_id"], each["path"]) for each in rows if each["is_leaf"]]
    reference = root / "reference"
    reference.mkdir()
    lines = "".join(f"{each['category_id']} - {each['path']}\n" for each in rows)
    (reference / "taxonomy.txt").write_text(f"{VERSION_LINE} 2021-09-21\n{lines}")
    sold = dice.zipf(1.4, len(leaves)).clip(1, 100_000)
    values = "".join(f"{leaf},{units}\n" for (leaf, _), units in zip(leaves, sold, strict=True))
    (reference / "business_value.csv").write_text(f"leaf,units_sold\n{values}")
    return leaves


def _products(
    partner: str, first: int, size: int, leaves: "list[tuple[int, str]]", dice: np.random.Generator
) -> pl.DataFrame:
    items = [f"item-{row:08d}" for row in range(first, first + size)]
    words, colors = dice.choice(WORDS, size), dice.choice(COLORS, size)
    labels = dice.integers(0, len(leaves), size)
    has_label = dice.random(size) < 0.4
    columns: dict[str, Any] = {
        "product_id": [f"{partner}:{item}" for item in items],
        "partner_id": [partner] * size,
        "item_id": items,
        "title": [f"{color} {word} {item}" for color, word, item in zip(colors, words, items, strict=True)],
        "image_url": [f"https://images-{first % 7}.example/{item}.jpg" for item in items],
        "price": dice.random(size) * 100,
        "category_id": [leaves[at][0] if known else None for at, known in zip(labels, has_label, strict=True)],
    }
    frame = pl.DataFrame(columns, schema_overrides={"category_id": pl.Int64})
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in PRODUCTS_SCHEMA.items() if name not in columns]
    return frame.with_columns(*missing).with_columns(
        row=pl.int_range(1, size + 1, dtype=pl.Int64), removed_at=pl.lit(None, pl.Datetime("us", "UTC"))
    )


def _predictions(
    products: pl.DataFrame, leaves: "list[tuple[int, str]]", dice: np.random.Generator, at: datetime
) -> pl.DataFrame:
    size = len(products)
    drawn = dice.integers(0, len(leaves), size)
    known = {leaf: number for number, (leaf, _) in enumerate(leaves)}
    is_right = dice.random(size) < 0.8
    labels = products["category_id"].to_list()
    chosen = [known[label] if right and label else at for label, right, at in zip(labels, is_right, drawn, strict=True)]
    ids, paths = [leaves[each][0] for each in chosen], [leaves[each][1] for each in chosen]
    probability = dice.beta(6, 2, size).astype(np.float32)
    return pl.DataFrame(
        {
            "product_id": products["product_id"],
            "category_id": ids,
            "depth": pl.Series([4] * size, dtype=pl.Int8),
            "probability": probability,
            "leaf_id": ids,
            "leaf_probability": probability,
            "alternatives": pl.Series(
                [[]] * size, dtype=pl.List(pl.Struct({"category_id": pl.Int64, "probability": pl.Float32}))
            ),
            "path": paths,
            "leaf_path": paths,
            "partner_category_id": products["category_id"],
            "business_value": pl.Series([None] * size, dtype=pl.Float64),
            "classifier": ["flat"] * size,
            "classifier_sha256": ["0" * 64] * size,
            "version": ["v1"] * size,
            "changed_at": [at] * size,
        }
    )


def _write_outcomes(
    root: Path, delivery: str, products: pl.DataFrame, num_images: int, bases: list[bytes], at: datetime
) -> None:
    """Writes outcomes, and shards of the images of the delivery's first products."""
    ids = products["product_id"].to_list()
    shards: list[str | None] = [None] * len(ids)
    hashes: list[str | None] = [None] * len(ids)
    folder = root / "images" / f"delivery={delivery}"
    folder.mkdir(parents=True)
    for number, first in enumerate(range(0, num_images, ROWS_PER_SHARD)):
        images = {}
        name = f"shard-{number:05d}-{hashlib.sha256(f'{delivery} {number}'.encode()).hexdigest()[:16]}"
        for position in range(first, min(first + ROWS_PER_SHARD, num_images)):
            data = _variant(bases[position % len(bases)], ids[position])
            sha256 = hashlib.sha256(data).hexdigest()
            images[ids[position]] = StoredImage(data, IMAGE_SIDE_PX, IMAGE_SIDE_PX, sha256, 0)
            shards[position], hashes[position] = name, sha256
        pq.write_table(images_table(images), folder / f"{name}.parquet", compression="none", use_dictionary=False)
    failures = [FAILURES[number % len(FAILURES)] for number in range(len(ids))]
    frame = pl.DataFrame(
        {
            "product_id": ids,
            "image_url": products["image_url"],
            "status": ["ok" if shard else failure for shard, failure in zip(shards, failures, strict=True)],
            "http_status": [200] * len(ids),
            "final_url": products["image_url"],
            "attempts": [1] * len(ids),
            "width": [IMAGE_SIDE_PX] * len(ids),
            "height": [IMAGE_SIDE_PX] * len(ids),
            "sha256": hashes,
            "shard": shards,
            "fetched_at": [at] * len(ids),
        }
    )
    _write(root / "outcomes" / f"delivery={delivery}", frame)


def _images(dice: np.random.Generator) -> list[bytes]:
    """JPEGs of about the size of photographs: smooth patches with some noise."""
    made = []
    for _ in range(NUM_IMAGES):
        small = dice.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        large = np.asarray(Image.fromarray(small).resize((IMAGE_SIDE_PX, IMAGE_SIDE_PX), Image.Resampling.BICUBIC))
        noisy = (large + dice.normal(0, 5, large.shape)).clip(0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=90)
        made.append(file.getvalue())
    return made


def _variant(base: bytes, text: str) -> bytes:
    """The image with a comment, so that its bytes are its own."""
    comment = text.encode()
    return base[:2] + COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment + base[2:]


def _write(folder: Path, frame: pl.DataFrame) -> None:
    path = store_path(str(folder))
    path.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(str(folder / "data.parquet"), compression="zstd")
