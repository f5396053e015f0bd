"""The download probe as an asset, over real shops on loopback whose faults are known."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.images.statuses import REFUSED, Status, values
from catalog.probe.estimates import shares
from catalog.probe.probing import PROBE_SCHEMA
from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.definitions import definitions
from demo.faults import Fault, fault_of, image_link
from demo.shop import Shop
from resources.settings import Settings
from resources.store import Store
from tests.catalog.images.sample_images import jpeg
from tests.described import assert_described

SEED = 3
NUM_PRODUCTS, NUM_REFUSED = 5_000, 500
IMAGE = jpeg(300, 280)
STATUS_OF = {
    None: Status.OK,
    Fault.INVALID_LINK: Status.INVALID_URL,
    Fault.NOT_FOUND: Status.GONE,
    Fault.GONE: Status.GONE,
    Fault.HOME: Status.REDIRECTED_HOME,
    Fault.HTML: Status.NOT_AN_IMAGE,
    Fault.TRUNCATED: Status.CORRUPT,
    Fault.STALL: Status.TIMEOUT,
    Fault.REFUSED: Status.HOST_REFUSED,
    Fault.BROKEN: Status.HTTP_ERROR,
    Fault.BOMB: Status.TOO_LARGE,
    Fault.FLAKY: Status.OK,
    Fault.THROTTLED: Status.OK,
}
PROBE = {"ops": {"download_probe": {"config": {"num_links": 1_000, "min_per_stratum": 20, "seed": 1}}}}


@pytest.fixture
def shops() -> Iterator[tuple[Shop, Shop]]:
    """One with the faults of a real catalog, and one that refuses every request."""
    with (
        Shop(lambda _: IMAGE, seed=SEED) as open_shop,
        Shop(lambda _: IMAGE, faults=lambda _: Fault.REFUSED) as closed_shop,
    ):
        yield open_shop, closed_shop


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shops: tuple[Shop, Shop]) -> Store:
    """Two partners at the first shop, one of them also at the second, in three deliveries."""
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    monkeypatch.setenv("SHELFSIGHT_TIMEOUT_S", "5")  # a busy machine responds within it
    monkeypatch.setenv("SHELFSIGHT_CONNECTIONS_PER_HOST", "32")
    store = Store(root=str(tmp_path / "store"))
    write(store, "hansen", "hansen.spring", [str(index) for index in range(NUM_PRODUCTS // 2)], shops[0])
    write(store, "meier", "meier.spring", [str(index) for index in range(NUM_PRODUCTS // 2, NUM_PRODUCTS)], shops[0])
    write(store, "meier", "meier.summer", [f"s{index}" for index in range(NUM_REFUSED)], shops[1])
    return store


def write(store: Store, partner: str, delivery: str, image_ids: list[str], shop: Shop) -> None:
    products = pl.DataFrame(
        {
            "product_id": [f"{partner}:{image_id}" for image_id in image_ids],
            "partner_id": partner,
            "image_url": [image_link(shop.url, image_id, SEED) for image_id in image_ids],
            "delivery": delivery,
        }
    )
    store.write(products, "products", delivery)


def run(store: Store, instance: dg.DagsterInstance, job: str, config: dict[str, object]) -> dict[str, str]:
    """The job's only materialization's metadata, as text."""
    result = (
        definitions(Settings.read(store=store.root))
        .resolve_job_def(job)
        .execute_in_process(instance=instance, run_config=config)
    )
    (event,) = result.get_asset_materialization_events()
    return {name: str(value.value) for name, value in event.materialization.metadata.items()}


def true_shares() -> dict[str, float]:
    """The share of each status among all links: those of the second shop are refused, if they are links at all."""
    statuses = [STATUS_OF[fault_of(str(index), SEED)] for index in range(NUM_PRODUCTS)]
    for index in range(NUM_REFUSED):
        is_invalid = fault_of(f"s{index}", SEED) is Fault.INVALID_LINK
        statuses.append(Status.INVALID_URL if is_invalid else Status.HOST_REFUSED)
    return {status: statuses.count(status) / len(statuses) for status in set(statuses)}


def test_probe_of_a_fifth_of_the_links_estimates_the_rates_of_all(
    catalog: Store, instance: dg.DagsterInstance, shops: tuple[Shop, Shop]
) -> None:
    metadata = run(catalog, instance, "probe", PROBE)
    assert_described(catalog.root, "download_probe")
    rows = catalog.scan("download_probe").collect()
    assert rows.schema == PROBE_SCHEMA
    assert len(rows) == 1_000
    assert rows["weight"].sum() == pytest.approx(NUM_PRODUCTS + NUM_REFUSED)

    # A host that is paused after its refusals has refused.
    merged = rows.with_columns(
        status=pl.when(pl.col("status").is_in(values(REFUSED))).then(pl.lit("host_refused")).otherwise("status")
    )
    found = {status: (low, high) for status, low, high in shares(merged).select("status", "low", "high").iter_rows()}
    truth = true_shares()
    covered = [status for status, (low, high) in found.items() if low <= truth.get(status, 0.0) <= high]
    assert {"ok", "gone", "invalid_url", "host_refused"} <= set(covered)
    assert len(covered) >= 0.8 * len(found)

    advice = metadata["recommendation"]
    assert advice.startswith("**Do not start:**")
    assert f"127.0.0.1:{shops[1].port} refuses everything" in advice
    assert f"127.0.0.1:{shops[0].port} refuses everything" not in advice
    for name in ("rates", "times"):
        assert "data:image/png;base64,iVBOR" in metadata[name]
    assert "on the wire" in metadata["totals"]
    assert "| invalid link |" in metadata["compared with published rates"]
    # As in a download: a host that refuses is paused after twenty failures.
    assert shops[1].requests.total() < 200


def test_probe_fetches_no_downloaded_link_and_has_a_view(
    catalog: Store, instance: dg.DagsterInstance, shops: tuple[Shop, Shop]
) -> None:
    products = catalog.scan("products", ["hansen.spring"]).collect()
    for delivery in ("hansen.spring", "meier.summer"):
        done = catalog.scan("products", [delivery]).select("product_id", "image_url", status=pl.lit("ok")).collect()
        catalog.write(done, "outcomes", delivery)
    run(catalog, instance, "probe", {"ops": {"download_probe": {"config": {"num_links": 100}}}})
    database = catalog.local / "catalog.duckdb"
    assert "download_probe" in write_warehouse(database, catalog.root)
    rows = query(database, "SELECT partner, sum(num)::INT, round(sum(links)) FROM probe_by_partner GROUP BY ALL")
    assert rows.rows() == [("meier", 100, NUM_PRODUCTS / 2)]
    fetched = {path.removeprefix("/p/").removesuffix(".jpg") for path in shops[0].requests}
    assert not fetched & {product_id.split(":")[1] for product_id in products["product_id"]}


def test_probe_of_nothing_is_an_error(catalog: Store, instance: dg.DagsterInstance) -> None:
    for delivery in catalog.partitions("products"):
        done = catalog.scan("products", [delivery]).select("product_id", "image_url", status=pl.lit("gone")).collect()
        catalog.write(done, "outcomes", delivery)
    with pytest.raises(ValueError, match="no link to probe"):
        run(catalog, instance, "probe", {})
