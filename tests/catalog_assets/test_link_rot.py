"""Links that led to pictures are asked for again, of a real shop on loopback that took some of them down."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.images.statuses import Status
from catalog.warehouse import query, write_warehouse
from catalog_assets.definitions import definitions
from catalog_assets.link_rot import CHECK, recheck_schedule
from demo.faults import Fault
from demo.shop import Shop
from resources.store import Store
from tests.catalog.images.pictures import jpeg

NUM = 200  # links a partner
PICTURE = jpeg(300, 280)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Of hansen's pictures a quarter is gone, of meier's none; one in ten cannot be reached at the moment."""

    def faults(picture_id: str) -> Fault | None:
        partner, index = picture_id.split("-")
        if partner == "hansen" and int(index) % 4 == 0:
            return Fault.NOT_FOUND
        return Fault.BROKEN if int(index) % 10 == 1 else None

    with Shop(lambda _: PICTURE, faults=faults) as shop:
        yield shop


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> Store:
    """All links led to a picture once, but for each partner's last one."""
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
        definitions(store.root)
        .resolve_job_def("recheck")
        .execute_in_process(
            instance=instance, run_config={"ops": {"link_rot": {"config": {"num_links": num_links, "seed": 3}}}}
        )
    )


def test_links_that_have_gone_are_told_apart_from_those_not_reached(
    held: Store, instance: dg.DagsterInstance, shop: Shop
) -> None:
    result = recheck(held, instance, 1_000)
    rows = held.scan("link_rot").collect()
    assert len(rows) == 2 * (NUM - 1)
    assert not {f"/p/{partner}-{NUM - 1}.jpg" for partner in ("hansen", "meier")} & set(shop.requests)
    lost = rows.filter(status=Status.GONE.value)
    assert set(lost["product_id"]) == {f"hansen-{index}" for index in range(0, NUM, 4)}
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    assert "'hansen'" in str(check.description)
    assert "'meier'" not in str(check.description)
    database = held.local / "catalog.duckdb"
    write_warehouse(database, held.root)
    told = query(database, "SELECT partner, fate, num FROM link_rot_by_partner")
    assert {(partner, fate): num for partner, fate, num in told.iter_rows()} == {
        ("hansen", "gone"): NUM // 4,
        ("hansen", "not reached"): NUM // 10,
        ("hansen", "still there"): NUM - 1 - NUM // 4 - NUM // 10,
        ("meier", "not reached"): NUM // 10,
        ("meier", "still there"): NUM - 1 - NUM // 10,
    }


def test_a_sample_asks_for_no_more_than_it_may(held: Store, instance: dg.DagsterInstance, shop: Shop) -> None:
    recheck(held, instance, 50)
    assert len(held.scan("link_rot").collect()) == 50
    assert len(shop.requests) == 50


def test_every_night_has_a_sample_of_its_own(held: Store, instance: dg.DagsterInstance) -> None:
    seeds = []
    for day in (1, 2):
        at = datetime(2026, 11, day, 3, tzinfo=UTC)
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, resources={"store": held}
        ) as context:
            request = recheck_schedule(context)
        assert isinstance(request, dg.RunRequest)
        assert request.run_key == f"2026-11-0{day}"
        seeds.append(request.run_config["ops"]["link_rot"]["config"]["seed"])
    assert seeds[1] == seeds[0] + 1


def test_without_a_picture_there_is_nothing_to_ask_for(store: Store, instance: dg.DagsterInstance) -> None:
    with dg.build_schedule_context(instance=instance, resources={"store": store}) as context:
        skipped = recheck_schedule(context)
    assert isinstance(skipped, dg.SkipReason)
    assert "no picture was downloaded yet" in str(skipped.skip_message)
    for num_gone in (0, 3):  # none was asked for yet; all were, in vain
        if num_gone:
            links = pl.DataFrame({"product_id": ["a", "b", "c"], "image_url": "http://x", "partner_id": "hansen"})
            store.write(links.with_columns(delivery=pl.lit("hansen.gone")), "products", "hansen.gone")
            store.write(links.with_columns(status=pl.lit("gone")), "outcomes", "hansen.gone")
        with pytest.raises(dg.Failure, match="no picture was downloaded whose link could be asked for again"):
            recheck(store, instance, 50)
