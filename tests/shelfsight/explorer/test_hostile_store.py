"""A store whose partners write scripts, quotes and paths into titles and ids: pages show them as text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from starlette.testclient import TestClient

from catalog.products.parsing import PRODUCTS_SCHEMA
from catalog.storage.warehouse import write_warehouse
from resources.settings import Settings
from resources.store import Store
from tests.shelfsight.explorer.conftest import client_of

TITLES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "' OR 1=1; --",
    "\u202ereversed",
]
IDS = ["a/../../b", "a b?c#d&e", "100%", "<b>", "'", "ä\\"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """The explorer over a delivery of hostile products without images or predictions."""
    store = Store(root=str(tmp_path / "store"))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"product_id": f"p:{item}", "partner_id": "p", "item_id": item, "title": title, "image_url": title}
        for item, title in zip(IDS, TITLES, strict=True)
    ]
    products = pl.DataFrame(rows, schema_overrides=PRODUCTS_SCHEMA)
    missing = [
        pl.lit(None, dtype).alias(name) for name, dtype in PRODUCTS_SCHEMA.items() if name not in products.columns
    ]
    frame = (
        products.with_columns(*missing)
        .select(*PRODUCTS_SCHEMA)
        .with_columns(
            row=pl.int_range(1, len(rows) + 1, dtype=pl.Int64), removed_at=pl.lit(None, pl.Datetime("us", "UTC"))
        )
    )
    store.write(frame, "products", "p.hostile")
    store.reference.mkdir(parents=True)
    (store.reference / "taxonomy.txt").write_text("1 - A\n2 - A > B\n")
    levels = {f"level_{level}": [1, 1 if level == 1 else 2] for level in range(1, 5)}
    taxonomy = {"category_id": [1, 2], "name": ["A", "B"], "path": ["A", "A > B"], "is_leaf": [False, True], **levels}
    store.write(pl.DataFrame(taxonomy), "taxonomy")
    record = {"key": "p.hostile", "partner_id": "p", "feed": TITLES[0], "feed_format": "google_tsv", "sha256": "0"}
    times = {"received_at": now.isoformat(), "num_bytes": 1}
    store.write_json({**record, **times}, "deliveries", "p.hostile.json")
    write_warehouse(tmp_path / "store" / "catalog.duckdb", str(tmp_path / "store"))
    with client_of(Settings.read(store=str(tmp_path / "store"))) as client:
        yield client


def test_titles_are_shown_as_text(client: TestClient) -> None:
    for path in ("/", "/catalog", "/deliveries", *(f"/products/{quote(f'p:{item}', safe='')}" for item in IDS)):
        response = client.get(path)
        assert response.status_code == 200, path
        for tag in ("<script>alert", "<img src=x", "<b>", 'href="javascript'):
            assert tag not in response.text


def test_every_id_has_its_page(client: TestClient) -> None:
    page = client.get("/catalog").text
    for item in IDS:
        address = f"/products/{quote(f'p:{item}', safe='')}"
        assert f'href="{address}"' in page
        assert client.get(address).status_code == 200


def test_half_a_store_has_pages(client: TestClient) -> None:
    assert "<code>shelfsight run</code>" in client.get("/downloads").text
    assert "There is no champion yet" in client.get("/").text
    assert "not downloaded yet" in client.get("/catalog").text
