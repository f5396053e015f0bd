"""The probe: what a sample of the links that are still to be fetched says about a large download, before it starts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field

from catalog_assets.markdown import picture, table
from catalog_assets.versions import content_version
from resources.compute import num_cores
from resources.fetcher import Fetcher
from resources.store import Store

if TYPE_CHECKING:
    from catalog.images.forecast import Forecast
    from catalog.images.probe import Probed

SHOWN_HOSTS = 20
SHOWN_BOUNDS = 5


class ProbeConfig(dg.Config):
    """How large a sample is drawn."""

    num_links: int = Field(default=10_000, description="Links to ask for.")
    min_per_stratum: int = Field(
        default=5, description="At least so many links of each partner at each host, or all it has there."
    )
    seed: int = Field(default=0, description="Another seed draws other links.")


@dg.asset(
    deps=["products"],
    pool="download",  # beside a download it would press the same shops twice as hard, and measure a busy machine
    group_name="catalogue",
    kinds={"parquet", "aiohttp", "matplotlib"},
    io_manager_key="tables",
    code_version="1",
)
def download_probe(
    context: dg.AssetExecutionContext, config: ProbeConfig, store: Store, fetcher: Fetcher
) -> dg.MaterializeResult[pl.DataFrame]:
    """A sample of the links still to be fetched, asked for: rates, refusals, and what the whole will take."""
    from catalog.images.estimates import beside_published, published_group, shares
    from catalog.images.forecast import forecast
    from catalog.images.outcome_plots import draw_rates, draw_times
    from catalog.images.recommendation import duration, recommend

    probed = ask_sample(context, config, [_to_fetch(store, key) for key in store.partitions("products")], fetcher)
    settings = fetcher.settings()
    rows = probed.rows
    expected = forecast(probed, settings, num_cores())
    advice = recommend(rows, expected, settings)
    statuses = shares(rows)
    groups = shares(rows.with_columns(published_group()), of="group")
    context.log.info(f"{advice.verdict}: {'; '.join(each.words for each in advice.advice) or 'nothing stands against'}")
    return dg.MaterializeResult(
        value=rows,
        data_version=content_version(rows),
        metadata={
            "recommendation": dg.MetadataValue.md(advice.markdown()),
            "expected duration": f"{duration(expected.seconds)}, bound by {expected.binding.words}",
            "rates": dg.MetadataValue.md(picture(draw_rates(groups, statuses), "shares by status")),
            "the whole": dg.MetadataValue.md(table(_whole(rows, expected))),
            "times": dg.MetadataValue.md(picture(draw_times(expected.hosts, _machine(expected)), "time by host")),
            "statuses": dg.MetadataValue.md(table(statuses)),
            "beside published": dg.MetadataValue.md(table(beside_published(groups))),
            "by partner": dg.MetadataValue.md(
                table(shares(rows.with_columns(published_group()), of="group", by=["partner_id"]))
            ),
            "slowest hosts": dg.MetadataValue.md(table(expected.hosts.head(SHOWN_HOSTS))),
            "hosts that refuse": dg.MetadataValue.md(
                table(expected.hosts.filter(pl.col("refused") > 0).sort("refused", descending=True).head(SHOWN_HOSTS))
            ),
        },
    )


def ask_sample(
    context: dg.AssetExecutionContext, config: ProbeConfig, parts: Sequence[pl.LazyFrame], fetcher: Fetcher
) -> "Probed":
    """Ask for a sample of the links of these deliveries (`catalog.images.sampling`)."""
    from catalog.images.probe import probe
    from catalog.images.sampling import Sampling, draw

    sampling = Sampling(num_links=config.num_links, min_per_stratum=config.min_per_stratum, seed=config.seed)
    return probe(
        draw(parts, sampling),
        fetcher.settings(),
        num_cores=num_cores(),
        on_progress=lambda done, of: context.log.info(f"{done:,} of {of:,} links asked for"),
    )


def _to_fetch(store: Store, delivery: str) -> pl.LazyFrame:
    """One delivery's links that a download would ask for now."""
    from catalog.images.sampling import links_to_fetch

    is_begun = any(store.folder("outcomes", delivery).glob("*.parquet"))
    outcomes = store.scan("outcomes", [delivery]) if is_begun else None
    return links_to_fetch(store.scan("products", [delivery]), outcomes)


def _whole(rows: pl.DataFrame, expected: "Forecast") -> pl.DataFrame:
    """What all links together will take, in words and units for people."""
    from catalog.images.estimates import total
    from catalog.images.recommendation import duration

    lines = [("links to fetch", f"{expected.links:,}", "")]
    for name, column in (("pictures stored", "bytes_stored"), ("on the wire", "bytes_fetched")):
        expects = total(rows, column)
        value, low, high = (f"{size / 1e9:,.3g} GB" for size in (expects.value, expects.low, expects.high))
        lines.append((name, value, f"{low} to {high}"))
    lines += [(f"at least: {bound.words}", duration(bound.seconds), "") for bound in expected.bounds[:SHOWN_BOUNDS]]
    return pl.DataFrame(lines, schema=["what", "expected", "95 % interval"], orient="row")


def _machine(expected: "Forecast") -> dict[str, float]:
    """The bounds that are this machine's and no host's."""
    return {bound.words: bound.seconds for bound in expected.bounds if bound.shop is None}
