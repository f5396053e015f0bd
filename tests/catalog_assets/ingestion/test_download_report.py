"""The report of downloads, made by its job over outcomes that were counted by hand."""

import dagster as dg
import polars as pl

from catalog_assets.ingestion.download_report import download_report
from resources.downloader import ImageDownloader
from resources.store import Store


def test_outcomes_by_partner_are_a_plot_and_tables_beside_the_published_rates(
    store: Store, instance: dg.DagsterInstance
) -> None:
    for partner, statuses in {"hansen": ["ok"] * 8 + ["gone", "timeout"], "meier": ["ok", "invalid_url"]}.items():
        outcomes = pl.DataFrame(
            {
                "product_id": [f"{partner}:{index}" for index in range(len(statuses))],
                "image_url": [f"http://{partner}.example/{index}.jpg" for index in range(len(statuses))],
                "status": statuses,
                "bytes": pl.Series([100 if status == "ok" else None for status in statuses], dtype=pl.Int64),
                "duration_ms": [50.0] * len(statuses),
            }
        )
        store.write(outcomes, "outcomes", f"{partner}.spring")
    resources: dict[str, object] = {"store": store, "image_downloader": ImageDownloader()}
    result = dg.materialize([download_report], instance=instance, resources=resources)
    (event,) = result.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert "data:image/png;base64,iVBOR" in str(metadata["by partner"])
    assert "| hansen | image | 8 | 0.8 |" in str(metadata["outcomes by partner"])
    assert "| meier | invalid link | 1 | 0.5 |" in str(metadata["outcomes by partner"])
    assert "| invalid link | 1 | 0.0833 | 0.01 |" in str(metadata["compared with published rates"])
    assert (metadata["links"], metadata["retryable"], metadata["bytes"]) == (12, 1, 900)
    # Nothing new, nothing to tell anybody.
    again = dg.materialize([download_report], instance=instance, resources=resources)
    (second,) = again.get_asset_materialization_events()
    version = "dagster/data_version"
    assert (second.materialization.tags or {})[version] == (event.materialization.tags or {})[version]
