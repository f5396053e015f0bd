"""The asset `placeholders` over real shards, and the dataset that leaves its images out."""

from datetime import UTC, datetime
from io import BytesIO
from random import Random

import dagster as dg
import numpy as np
import polars as pl
import pytest
from PIL import Image

from benchmarks.placeholder_kinds import text_on_ground
from catalog.images.decoding import decode
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.shard_files import ShardFiles, images_table
from catalog.images.stored_image import ImageRules, StoredImage
from catalog.products.redelivery import REMOVED_AT_TYPE
from catalog_assets.definitions import defs
from catalog_assets.flow import QUIET
from catalog_assets.partitions import deliveries
from resources.configured import configured
from resources.settings import Settings
from resources.store import Store
from tests.catalog.feeds.registered import registered

KEY, NUM, NUM_PLACEHOLDERS = "hansen.hats", 40, 8
TITLES = ("Lamp", "Shirt", "Cable", "Teapot", "Novel", "Drill", "Sofa", "Ink")
ASSETS = ("placeholders", "splits", "dataset")
GRAPH = [
    each
    for each in defs.assets or []
    if isinstance(each, dg.AssetsDefinition)
    and {key.path[-1] for key in each.keys} & {*ASSETS, "taxonomy", "products", "images", "outcomes"}
]


def stored(image: Image.Image) -> StoredImage:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    decoded = decode(buffer.getvalue(), ImageRules())
    assert isinstance(decoded, StoredImage)
    return decoded


def noise(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (64, 64, 3), dtype=np.uint8))


@pytest.fixture
def store(tmp_path: Store) -> Store:
    """A delivery of 40 products, of which 8 unrelated ones show one placeholder."""
    store = Store(root=str(tmp_path))
    (store.local / "reference").mkdir(parents=True)
    (store.local / "reference/taxonomy.txt").write_text("1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Shoes\n")
    (store.local / "reference/partners.toml").write_text("[partners.hansen]\n")
    registered(KEY, datetime(2024, 5, 1, tzinfo=UTC)).save(store.delivery_records)
    placeholder = stored(text_on_ground(Random(1), (300, 300)))
    ids = [f"hansen:{number}" for number in range(NUM)]
    images = {each: placeholder if n < NUM_PLACEHOLDERS else stored(noise(n)) for n, each in enumerate(ids)}
    products = pl.DataFrame(
        {
            "product_id": ids,
            "partner_id": "hansen",
            "item_group_id": pl.Series([None] * NUM, dtype=pl.String),
            "title": [TITLES[number % len(TITLES)] for number in range(NUM)],
            "category_id": [2 + number % 2 for number in range(NUM)],
            "row": range(1, NUM + 1),
            "removed_at": pl.Series([None] * NUM, dtype=REMOVED_AT_TYPE),
        }
    )
    store.write(products, "products", KEY)
    outcomes = pl.DataFrame(
        {
            "product_id": ids,
            "status": "ok",
            "sha256": [image.sha256 for image in images.values()],
            "dhash": pl.Series([image.dhash for image in images.values()], dtype=pl.UInt64),
        }
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in OUTCOMES_SCHEMA.items() if name not in outcomes]
    files = ShardFiles(store.folder("images", KEY), store.folder("outcomes", KEY), 0)
    files.write(outcomes.with_columns(missing).select(list(OUTCOMES_SCHEMA)), images_table(images))
    return store


def build(store: Store) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(deliveries.name), [KEY])
        return dg.materialize(
            GRAPH,
            selection=dg.AssetSelection.assets(*ASSETS).without_checks(),
            resources=configured(Settings.read(store=store.root)),
            instance=instance,
            run_config=QUIET,
        )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    [event] = [each for each in result.get_asset_materialization_events() if each.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_placeholders_are_found_once_and_left_out_until_a_person_decides(store: Store) -> None:
    result = build(store)
    [found] = store.scan("placeholders").collect().rows(named=True)
    assert (found["verdict"], found["num_products"], found["num_leaves"]) == ("placeholder", NUM_PLACEHOLDERS, 2)
    assert store.scan("dataset").collect().height == NUM - NUM_PLACEHOLDERS
    assert metadata(result, "dataset")["num_placeholders"] == NUM_PLACEHOLDERS
    assert metadata(result, "placeholders")["newly examined"] == NUM - NUM_PLACEHOLDERS + 1
    assert "placeholder images" in metadata(result, "placeholders")

    (store.local / "reference/placeholders.csv").write_text(
        f"image,verdict,reason,who\n{found['sha256']},not,a poster that says so,ann\n"
    )
    again = build(store)
    assert metadata(again, "placeholders")["newly examined"] == 0
    assert store.scan("placeholders").collect()["verdict"].to_list() == ["not"]
    assert store.scan("dataset").collect().height == NUM
