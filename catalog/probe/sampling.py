"""Sampling: draws a stratified sample of the links that are still to be fetched.

Links are stratified by partner and host. Every stratum gives links in proportion to its size, but at least a few, so
that small shops are sampled; each link carries the weight that corrects for it (Cochran 1977, chapter 5).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.download.hosts import host_of
from catalog.download.image_roots import Root
from catalog.images.statuses import FINAL, Status, values

NO_HOST, OTHER_HOSTS = "no valid link", "other hosts"  # in place of a host

_LINK = ["product_id", "image_url"]
_KEY = ["partner_id", "host"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The number of links to draw, the minimum per stratum (or all it has), and the seed."""

    num_links: int = 10_000
    min_per_stratum: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.min_per_stratum < 2:
            raise ValueError(f"min_per_stratum is {self.min_per_stratum}; an interval needs at least 2 per stratum")
        if self.num_links < self.min_per_stratum:
            raise ValueError(f"num_links is {self.num_links}, less than min_per_stratum {self.min_per_stratum}")


def links_to_fetch(
    products: pl.LazyFrame, outcomes: pl.LazyFrame | None = None, roots: Collection[Root] = ()
) -> pl.LazyFrame:
    """Returns the links of a delivery that a download would fetch: delivery, product_id, partner_id, image_url, host.

    Products that the partner removed and links with a final outcome are left out. A root of `roots` is a host.
    """
    if outcomes is not None:
        ended = outcomes.filter(pl.col("status").is_in(values(FINAL))).select(_LINK)
        products = products.join(ended, on=_LINK, how="anti", nulls_equal=True)
    return _links(products, roots)


def links_with_image(products: pl.LazyFrame, outcomes: pl.LazyFrame, roots: Collection[Root] = ()) -> pl.LazyFrame:
    """Returns the links of a delivery whose image was downloaded, with the columns of `links_to_fetch`."""
    return _links(products.join(outcomes.filter(status=Status.OK.value).select(_LINK), on=_LINK, how="semi"), roots)


def draw(parts: Sequence[pl.LazyFrame], sampling: Sampling) -> pl.DataFrame:
    """Draws a sample of the links of all parts; the same seed draws the same links.

    A shop is a host, or `NO_HOST`, or `OTHER_HOSTS` of a partner together; a stratum is a partner's links to a shop.

    Args:
        parts: `links_to_fetch` of deliveries. Each is read twice, and only one at a time is in memory.
        sampling: the size of the sample.

    Returns:
        The links with shop, stratum, stratum_size and weight, in random order, so that hosts take turns.

    Raises:
        ValueError: there are no links, or `num_links` is too few to sample every stratum.
    """
    strata = _strata(_sizes(parts), sampling)
    drawn = []
    for part in parts:
        rows = part.join(strata.lazy(), on=_KEY, nulls_equal=True).collect()
        hashes = _hashes(rows["product_id"], sampling.seed)
        # A generous share of each stratum, by hash: of 36 million links only candidates stay in memory.
        share = pl.col("hash").cast(pl.Float64) / 2.0**64
        kept = rows.with_columns(hashes).filter(share <= pl.col("share_kept"))
        # Copied, since the strings of a filtered frame are views that keep the whole delivery's in memory.
        drawn.append(pl.DataFrame(kept.rows(), schema=kept.schema, orient="row"))
    by_hash = pl.concat(drawn).sort("hash", "delivery", "product_id")
    sample = by_hash.filter(pl.int_range(pl.len()).over("stratum") < pl.col("num"))
    return sample.with_columns(weight=pl.col("stratum_size") / pl.len().over("stratum")).drop(
        "hash", "share_kept", "num"
    )


def allocation(sizes: NDArray[np.int64], num_links: int, minimum: int) -> NDArray[np.int64]:
    """Allocates a sample to strata: in proportion to `sizes` (n,), but at least `minimum`, or all of a smaller one.

    The sum is `num_links`, or all links where there are fewer, or the sum of the minima where that is more.
    """
    floors = np.minimum(sizes, minimum)
    num_links = min(num_links, int(sizes.sum()))
    is_floored = np.zeros(len(sizes), dtype=bool)
    while True:  # each round fixes at least one stratum at its floor
        left = num_links - floors[is_floored].sum()
        ideal = np.where(is_floored, floors, sizes * (left / max(1, sizes[~is_floored].sum())))
        too_small = ~is_floored & (ideal < floors)
        if not too_small.any():
            break
        is_floored |= too_small
    nums = np.floor(ideal + 1e-9).astype(np.int64)
    missing = max(0, num_links - int(nums.sum()))
    nums[np.argsort(nums - ideal, kind="stable")[:missing]] += 1  # the largest remainders
    return nums


def _links(products: pl.LazyFrame, roots: Collection[Root]) -> pl.LazyFrame:
    """The links of products that their partner has not removed, with their hosts."""
    if "removed_at" in products.collect_schema():
        products = products.filter(pl.col("removed_at").is_null())
    return products.select(
        "delivery", "product_id", "partner_id", "image_url", host_of("image_url", roots).alias("host")
    )


def _sizes(parts: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    counts = [part.group_by(_KEY).agg(size=pl.len().cast(pl.Int64)).collect() for part in parts]
    sizes = pl.concat(counts).group_by(_KEY).agg(pl.col("size").sum()) if counts else pl.DataFrame()
    if sizes.is_empty():
        raise ValueError("there is no link to probe: every one has been downloaded, or there are no products yet")
    return sizes.sort("size", *_KEY, descending=[True, False, False], nulls_last=True)


def _strata(sizes: pl.DataFrame, sampling: Sampling) -> pl.DataFrame:
    """For each partner and host its stratum, the links to draw of it, and the share of hashes to keep for it.

    Half the links at most go into minima: beyond that the smallest hosts of a partner share a stratum.
    """
    num_named = max(1, sampling.num_links // (2 * sampling.min_per_stratum))
    shop = (
        pl.when(pl.col("host").is_null())
        .then(pl.lit(NO_HOST))
        .when(pl.int_range(pl.len()) < num_named)
        .then("host")
        .otherwise(pl.lit(OTHER_HOSTS))
    )
    named = sizes.with_columns(shop=shop).with_columns(stratum=pl.format("{}: {}", "partner_id", "shop"))
    strata = named.group_by("stratum", maintain_order=True).agg(stratum_size=pl.col("size").sum())
    nums = allocation(strata["stratum_size"].to_numpy(), sampling.num_links, sampling.min_per_stratum)
    if nums.sum() > sampling.num_links:
        raise ValueError(
            f"num_links {sampling.num_links:,} is too few for {len(strata)} strata of {sampling.min_per_stratum} "
            f"links; give at least {nums.sum():,}, or a smaller min_per_stratum"
        )
    strata = strata.with_columns(pl.Series("num", nums))
    # More than are needed by ten standard deviations and thirty, so that a shortage is practically impossible.
    generous = pl.col("num") + 10 * pl.col("num").sqrt() + 30
    strata = strata.with_columns(share_kept=generous / pl.col("stratum_size"))
    return named.drop("size").join(strata, on="stratum")


def _hashes(product_ids: pl.Series, seed: int) -> pl.Series:
    """A 64-bit hash of every id, the same on every machine."""
    salt = seed.to_bytes(8, "big", signed=True)
    digests = (blake2b(key.encode(), digest_size=8, person=b"shelfsight.probe", salt=salt) for key in product_ids)
    return pl.Series("hash", [int.from_bytes(digest.digest(), "big") for digest in digests], dtype=pl.UInt64)
