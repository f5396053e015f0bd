"""The web UI in a real browser: lineage, a delivery materialized by click, a backfill, the confusion image."""

import dagster as dg
import pytest

from tests.conftest import CLASSIFIERS, ENCODERS
from tests.end_to_end.browser import COLORED_S, Page, browsing
from tests.end_to_end.services import Services
from tests.end_to_end.web_server.conftest import DELIVERIES, QUEUED
from tests.patience import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]

DELIVERY = "northloom.spring"


def test_a_person_finds_lineage_materializes_backfills_and_sees_confusions(
    services: Services, instance: dg.DagsterInstance
) -> None:
    with browsing(services.url) as page:
        sees_the_lineage(page)
        sees_the_largest_near_duplicate_groups(page)
        sees_the_confusion_image(page)
        sees_what_an_encoder_is_worth(page)
        sees_how_sure_a_classifier_is_and_why_it_is_champion(page)
        materializes_a_delivery(page, instance)
        backfills_all_deliveries(page, instance)
        probes_what_is_left(page, instance)
        sees_how_the_downloads_ended(page)


def sees_the_lineage(page: Page) -> None:
    page.open("/assets/universal_catalog?view=lineage&lineageScope=upstream&lineageDepth=10")
    for asset in ("products", "images", "dataset", "encoders", "classifiers", "predictions", "champion", "deployment"):
        page.see(asset)
    page.shoot("lineage.png", COLORED_S)


def sees_the_largest_near_duplicate_groups(page: Page) -> None:
    page.open("/assets/dataset")  # before a run of it without the other deliveries, whose images are alike
    page.see("largest near-duplicate groups")


def sees_the_confusion_image(page: Page) -> None:
    page.open(f"/assets/confusion?view=partitions&partition={CLASSIFIERS[0]}")
    page.see("golden: largest")
    unfolds_an_image(page)
    page.shoot("confusion.png")


def sees_what_an_encoder_is_worth(page: Page) -> None:
    for asset, seen, query in (
        ("encoders", "probe score by epoch", f"?view=partitions&partition={ENCODERS[1]}"),
        ("encoder_quality", "worst categories", f"?view=partitions&partition={ENCODERS[1]}"),
        ("similarity_index", "recall_at_10", f"?view=partitions&partition={ENCODERS[1]}"),
        ("data_efficiency", "figures", ""),
    ):
        page.open(f"/assets/{asset}{query}")
        page.see(seen)
        if asset != "encoders":  # the others end with an image: the map, the neighbors, the plot
            unfolds_an_image(page)
        page.shoot(f"{asset}.png")


def sees_how_sure_a_classifier_is_and_why_it_is_champion(page: Page) -> None:
    page.open(f"/assets/calibration?view=partitions&partition={CLASSIFIERS[0]}")
    page.see("calibration")
    unfolds_an_image(page)
    page.shoot("calibration.png")
    page.open("/assets/champion_decisions")
    page.see("decisions, newest first")
    page.see("is the first champion")
    page.shoot("champion.png")


def materializes_a_delivery(page: Page, instance: dg.DagsterInstance) -> None:
    before = num_runs(instance)
    page.open("/locations/shelfsight/jobs/ingest")
    page.open_by("Materialize all", "Select a partition")
    page.click("Select a partition")
    page.click(DELIVERY)
    page.click("Partition selection")  # anywhere else, which closes the list
    page.shoot("delivery.png")
    page.click("Launch")
    until(lambda: num_runs(instance) == before + 1, f"a successful run of {DELIVERY}")


def backfills_all_deliveries(page: Page, instance: dg.DagsterInstance) -> None:
    before = num_runs(instance)
    page.open("/locations/shelfsight/jobs/ingest")
    page.open_by("Materialize all", "Failed and missing")
    page.click("All")
    page.click("Launch backfill")
    until(lambda: num_runs(instance) == before + len(DELIVERIES), "a successful run of every delivery")
    page.open("/overview/backfills")
    page.see("Success")
    page.shoot("backfill.png")


def probes_what_is_left(page: Page, instance: dg.DagsterInstance) -> None:
    page.open("/locations/shelfsight/jobs/probe")
    page.click("Materialize")
    wanted = dg.AssetKey("download_probe")
    until(lambda: instance.get_latest_materialization_event(wanted), "a probe of the links that are left")
    page.open("/assets/download_probe")
    page.see("recommendation")
    page.shoot("probe.png")


def sees_how_the_downloads_ended(page: Page) -> None:
    page.open("/assets/download_report")
    page.see("by partner")
    unfolds_an_image(page)
    page.shoot("downloads.png")


def unfolds_an_image(page: Page) -> None:
    page.click("Show Markdown")
    until(lambda: page.driver.find_elements("css selector", "img[src^='data:image/png;base64']"), "an image")


def num_runs(instance: dg.DagsterInstance) -> int:
    """Successful runs of the job that ingests deliveries, whatever the UI calls them."""
    runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    others = [run for run in runs if not QUEUED.items() <= run.tags.items()]
    return sum(dg.AssetKey("products") in (run.asset_selection or {dg.AssetKey("products")}) for run in others)
