"""Links that led to images are fetched again, from a real shop on loopback that has removed some of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.images.statuses import Status
from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.automation.link_rot import CHECK, recheck_schedule
from catalog_assets.definitions import definitions
from demo.faults import Fault
from demo.shop import Shop
from resources.settings import Settings
from resources.store import Store
from tests.catalog.images.sample_images import jpeg
from tests.described import assert_described

NUM = 200  # links per partner
IMAGE = jpeg(300, 280)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A quarter of hansen's images is gone and none of meier's; one in ten cannot be reached at the moment."""

    def faults(image_id: str) -> Fault | None:
        partner, index = image_id.split("-")
        if partner == "hansen" and int(index) % 4 == 0:
            return Fault.NOT_FOUND
        return Fault.BROKEN if int(index) % 10 == 1 else None

    with Shop(lambda _: IMAGE, faults=faults) as shop:
        yield shop


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> Store:
    """A store in which all links led to an image, except for each partner's last one."""
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    monkeypatch.setenv("SHELFSIGHT_CONNECTIONS_PER_HOST", "32")
    store = Store(root=str(tmp_path / "store"))
    for partner in ("hansen", "meier"):
        keys = [f"{partner}-{index}" for index in range(NUM)]
        products = pl.DataFrame(
            {
                "product_id": keys,
                "partner_id": partner,
                "image_url": [f"{shop.url}/p/{key}.jpg" for key in keys],
                "delivery": f"{partner}.spring",
            }
        )
        outcomes = products.select("product_id", "image_url", status=pl.lit("ok")).with_columns(
            status=pl.when(product_id=keys[-1]).then(pl.lit("gone")).otherwise("status")
        )
        store.write(products, "products", f"{partner}.spring")
        store.write(outcomes, "outcomes", f"{partner}.spring")
    return store


def recheck(store: Store, instance: dg.DagsterInstance, num_links: int) -> dg.ExecuteInProcessResult:
    return (
        definitions(Settings.read(store=store.root))
        .resolve_job_def("recheck")
        .execute_in_process(
            instance=instance, run_config={"ops": {"link_rot": {"config": {"num_links": num_links, "seed": 3}}}}
        )
    )


def test_gone_links_are_distinguished_from_unreached_ones(
    downloaded: Store, instance: dg.DagsterInstance, shop: Shop
) -> None:
    result = recheck(downloaded, instance, 1_000)
    assert_described(downloaded.root, "link_rot")
    rows = downloaded.scan("link_rot").collect()
    assert len(rows) == 2 * (NUM - 1)
    assert not {f"/p/{partner}-{NUM - 1}.jpg" for partner in ("hansen", "meier")} & set(shop.requests)
    lost = rows.filter(status=Status.GONE.value)
    assert set(lost["product_id"]) == {f"hansen-{index}" for index in range(0, NUM, 4)}
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    assert "'hansen'" in str(check.description)
    assert "'meier'" not in str(check.description)
    database = downloaded.local / "catalog.duckdb"
    write_warehouse(database, downloaded.root)
    states = query(database, "SELECT partner, link_state, num FROM link_rot_by_partner")
    assert {(partner, state): num for partner, state, num in states.iter_rows()} == {
        ("hansen", "gone"): NUM // 4,
        ("hansen", "unreached"): NUM // 10,
        ("hansen", "live"): NUM - 1 - NUM // 4 - NUM // 10,
        ("meier", "unreached"): NUM // 10,
        ("meier", "live"): NUM - 1 - NUM // 10,
    }


def test_sample_fetches_no_more_links_than_configured(
    downloaded: Store, instance: dg.DagsterInstance, shop: Shop
) -> None:
    recheck(downloaded, instance, 50)
    assert len(downloaded.scan("link_rot").collect()) == 50
    assert len(shop.requests) == 50


def test_every_night_draws_another_sample(downloaded: Store, instance: dg.DagsterInstance) -> None:
    seeds = []
    for day in (1, 2):
        at = datetime(2026, 11, day, 3, tzinfo=UTC)
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, resources={"store": downloaded}
        ) as context:
            request = recheck_schedule(context)
        assert isinstance(request, dg.RunRequest)
        assert request.run_key == f"2026-11-0{day}"
        seeds.append(request.run_config["ops"]["link_rot"]["config"]["seed"])
    assert seeds[1] == seeds[0] + 1


def test_without_an_image_there_is_nothing_to_recheck(store: Store, instance: dg.DagsterInstance) -> None:
    with dg.build_schedule_context(instance=instance, resources={"store": store}) as context:
        skipped = recheck_schedule(context)
    assert isinstance(skipped, dg.SkipReason)
    assert "no image was downloaded yet" in str(skipped.skip_message)
    for num_gone in (0, 3):  # none was downloaded yet; all were, in vain
        if num_gone:
            links = pl.DataFrame({"product_id": ["a", "b", "c"], "image_url": "http://x", "partner_id": "hansen"})
            store.write(links.with_columns(delivery=pl.lit("hansen.gone")), "products", "hansen.gone")
            store.write(links.with_columns(status=pl.lit("gone")), "outcomes", "hansen.gone")
        with pytest.raises(dg.Failure, match="no image was downloaded whose link could be fetched again"):
            recheck(store, instance, 50)
