"""Download probe: a sample of the links still to be fetched, and a forecast of the download from it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field

from catalog.storage.cores import num_cores
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.retries import NETWORK, retried
from catalog_assets.idioms.versions import content_version
from resources.downloader import ImageDownloader
from resources.store import Store

if TYPE_CHECKING:
    from catalog.download.image_roots import Root
    from catalog.probe.forecast import Forecast
    from catalog.probe.probing import Probed

SHOWN_HOSTS = 20
SHOWN_BOUNDS = 5


class ProbeConfig(dg.Config):
    """The size of the sample."""

    num_links: int = Field(default=10_000, description="Links to fetch.")
    min_per_stratum: int = Field(
        default=5, description="Minimum number of links of each partner at each host, or all it has there."
    )
    seed: int = Field(default=0, description="Another seed draws other links.")


@dg.asset(
    deps=["products"],
    pool="download",  # beside a download it would double the load on the same shops, and measure a busy machine
    group_name="ingestion",
    kinds={"parquet", "aiohttp", "matplotlib"},
    io_manager_key="tables",
    code_version="1",
)
@retried(NETWORK)
def download_probe(
    context: dg.AssetExecutionContext, config: ProbeConfig, store: Store, image_downloader: ImageDownloader
) -> dg.MaterializeResult[pl.DataFrame]:
    """A sample of the links still to be fetched, with its rates and refusals, and a forecast for all of them."""
    from catalog.probe.estimates import shares
    from catalog.probe.forecast import forecast
    from catalog.probe.plots import draw_rates, draw_times
    from catalog.probe.published_rates import beside_published, published_group
    from catalog.probe.recommendation import duration, recommend

    roots = image_downloader.roots()
    links = [_to_fetch(store, key, roots) for key in store.partitions("products")]
    probed = probe_sample(context, config, links, image_downloader)
    settings = image_downloader.settings()
    rows = probed.rows
    expected = forecast(probed, settings, num_cores())
    advice = recommend(rows, expected, settings)
    statuses = shares(rows)
    groups = shares(rows.with_columns(published_group()), of="group")
    context.log.info(f"{advice.verdict}: {'; '.join(item.words for item in advice.advice) or 'no objections'}")
    return dg.MaterializeResult(
        value=rows,
        data_version=content_version(rows),
        metadata={
            "recommendation": dg.MetadataValue.md(advice.markdown()),
            "expected duration": f"{duration(expected.seconds)}, bound by {expected.binding.words}",
            "rates": dg.MetadataValue.md(image_markdown(draw_rates(groups, statuses), "shares by status")),
            "totals": dg.MetadataValue.md(table(_totals(rows, expected))),
            "times": dg.MetadataValue.md(
                image_markdown(draw_times(expected.hosts, _machine(expected)), "time by host")
            ),
            "statuses": dg.MetadataValue.md(table(statuses)),
            "compared with published rates": dg.MetadataValue.md(table(beside_published(groups))),
            "by partner": dg.MetadataValue.md(
                table(shares(rows.with_columns(published_group()), of="group", by=["partner_id"]))
            ),
            "slowest hosts": dg.MetadataValue.md(table(expected.hosts.head(SHOWN_HOSTS))),
            "hosts that refuse": dg.MetadataValue.md(
                table(expected.hosts.filter(pl.col("refused") > 0).sort("refused", descending=True).head(SHOWN_HOSTS))
            ),
        },
    )


def probe_sample(
    context: dg.AssetExecutionContext,
    config: ProbeConfig,
    parts: Sequence[pl.LazyFrame],
    image_downloader: ImageDownloader,
) -> "Probed":
    """Draws a sample of the links of these deliveries and fetches it (`catalog.probe.sampling`)."""
    from catalog.probe.probing import probe
    from catalog.probe.sampling import Sampling, draw

    sampling = Sampling(num_links=config.num_links, min_per_stratum=config.min_per_stratum, seed=config.seed)
    return probe(
        draw(parts, sampling),
        image_downloader.settings(),
        num_cores=num_cores(),
        on_progress=lambda done, total: context.log.info(f"{done:,} of {total:,} links fetched"),
    )


def _to_fetch(store: Store, delivery: str, roots: "Sequence[Root]") -> pl.LazyFrame:
    """The links of one delivery that a download would fetch now."""
    from catalog.probe.sampling import links_to_fetch

    is_begun = any(store.folder("outcomes", delivery).glob("*.parquet"))
    outcomes = store.scan("outcomes", [delivery]) if is_begun else None
    return links_to_fetch(store.scan("products", [delivery]), outcomes, roots)


def _totals(rows: pl.DataFrame, expected: "Forecast") -> pl.DataFrame:
    """The totals of all links together: sizes and times, formatted."""
    from catalog.probe.estimates import total
    from catalog.probe.recommendation import duration

    lines = [("links to fetch", f"{expected.links:,}", "")]
    for name, column in (("images stored", "bytes_stored"), ("on the wire", "bytes_fetched")):
        expects = total(rows, column)
        value, low, high = (f"{size / 1e9:,.3g} GB" for size in (expects.value, expects.low, expects.high))
        lines.append((name, value, f"{low} to {high}"))
    lines += [(f"at least: {bound.words}", duration(bound.seconds), "") for bound in expected.bounds[:SHOWN_BOUNDS]]
    return pl.DataFrame(lines, schema=["quantity", "expected", "95 % interval"], orient="row")


def _machine(expected: "Forecast") -> dict[str, float]:
    """The bounds of this machine, without those of hosts."""
    return {bound.words: bound.seconds for bound in expected.bounds if bound.shop is None}
