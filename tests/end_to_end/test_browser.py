"""The web UI in a real browser: lineage, a delivery materialised by click, a backfill, the confusion picture.

With SHELFSIGHT_SCREENSHOTS set to a folder, what is seen on the way is kept there.
"""

import os
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import CLASSIFIERS, ENCODERS, TinyCatalogue
from tests.end_to_end.browser import COLOURED_S, Page, browsing
from tests.end_to_end.services import copy_of, serving, until

DELIVERY = "northloom.spring"
NUM_DELIVERIES = 10


@pytest.mark.end_to_end
@pytest.mark.timeout(480)
def test_a_person_finds_lineage_materializes_backfills_and_sees_confusions(
    tiny_catalogue: TinyCatalogue, tmp_path: Path
) -> None:
    screenshots = Path(os.environ.get("SHELFSIGHT_SCREENSHOTS", tmp_path / "screenshots"))
    root = copy_of(tiny_catalogue, tmp_path)
    with serving(root) as services, browsing(services.url) as page:
        sees_the_lineage(page, screenshots)
        sees_the_confusion_picture(page, screenshots)
        sees_what_an_encoder_is_worth(page, screenshots)
        sees_how_sure_a_classifier_is_and_why_it_is_champion(page, screenshots)
        with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
            materializes_a_delivery(page, instance, screenshots)
            backfills_all_deliveries(page, instance, screenshots)
            probes_what_is_left(page, instance, screenshots)
        sees_how_the_downloads_ended(page, screenshots)


def sees_the_lineage(page: Page, screenshots: Path) -> None:
    page.open("/assets/universal_catalogue?view=lineage&lineageScope=upstream&lineageDepth=10")
    for asset in ("products", "images", "dataset", "encoders", "classifiers", "predictions", "champion", "deployment"):
        page.see(asset)
    page.shoot(screenshots / "lineage.png", COLOURED_S)


def sees_the_confusion_picture(page: Page, screenshots: Path) -> None:
    page.open(f"/assets/confusion?view=partitions&partition={CLASSIFIERS[0]}")
    page.see("golden: largest")
    unfolds_a_picture(page)
    page.shoot(screenshots / "confusion.png")


def sees_what_an_encoder_is_worth(page: Page, screenshots: Path) -> None:
    for asset, seen, place in (
        ("encoders", "probe by epoch", f"?view=partitions&partition={ENCODERS[1]}"),
        ("encoder_quality", "categories found worst", f"?view=partitions&partition={ENCODERS[1]}"),
        ("similarity_index", "recall_at_10", f"?view=partitions&partition={ENCODERS[1]}"),
        ("data_efficiency", "figures", ""),
    ):
        page.open(f"/assets/{asset}{place}")
        page.see(seen)
        if asset != "encoders":  # the others end with a picture: the map, the neighbours, the plot
            unfolds_a_picture(page)
        page.shoot(screenshots / f"{asset}.png")


def sees_how_sure_a_classifier_is_and_why_it_is_champion(page: Page, screenshots: Path) -> None:
    page.open(f"/assets/metrics?view=partitions&partition={CLASSIFIERS[0]}")
    page.see("calibration")
    unfolds_a_picture(page)
    page.shoot(screenshots / "calibration.png")
    page.open("/assets/champion_decisions")
    page.see("decisions, newest first")
    page.see("is the first champion")
    page.shoot(screenshots / "champion.png")


def materializes_a_delivery(page: Page, instance: dg.DagsterInstance, screenshots: Path) -> None:
    before = num_runs(instance)
    page.open("/locations/shelfsight/jobs/ingest")
    page.click("Materialize all")
    page.click("Select a partition")
    page.click(DELIVERY)
    page.click("Partition selection")  # anywhere else, which closes the list
    page.shoot(screenshots / "delivery.png")
    page.click("Launch")
    until(lambda: num_runs(instance) == before + 1, 120, f"a successful run of {DELIVERY}")


def backfills_all_deliveries(page: Page, instance: dg.DagsterInstance, screenshots: Path) -> None:
    before = num_runs(instance)
    page.open("/locations/shelfsight/jobs/ingest")
    page.click("Materialize all")
    page.click("All")
    page.click("Launch backfill")
    until(lambda: num_runs(instance) == before + NUM_DELIVERIES, 300, "a successful run of every delivery")
    page.open("/overview/backfills")
    page.see("Success")
    page.shoot(screenshots / "backfill.png")


def probes_what_is_left(page: Page, instance: dg.DagsterInstance, screenshots: Path) -> None:
    page.open("/locations/shelfsight/jobs/probe")
    page.click("Materialize")
    wanted = dg.AssetKey("download_probe")
    until(lambda: instance.get_latest_materialization_event(wanted), 120, "a probe of the links that are left")
    page.open("/assets/download_probe")
    page.see("recommendation")
    page.shoot(screenshots / "probe.png")


def sees_how_the_downloads_ended(page: Page, screenshots: Path) -> None:
    page.open("/assets/dataset")
    page.see("largest near-duplicate groups")
    page.open("/assets/download_report")
    page.see("by partner")
    unfolds_a_picture(page)
    page.shoot(screenshots / "downloads.png")


def unfolds_a_picture(page: Page) -> None:
    page.click("Show Markdown")
    until(lambda: page.driver.find_elements("css selector", "img[src^='data:image/png;base64']"), 30, "a picture")


def num_runs(instance: dg.DagsterInstance) -> int:
    """Successful runs of the job that takes deliveries in, whatever the UI calls them."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
    runs = instance.get_runs(wanted)
    return sum(dg.AssetKey("products") in (run.asset_selection or {dg.AssetKey("products")}) for run in runs)
