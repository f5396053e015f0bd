"""Changed images: compares the refetched images of a delivery with those that were stored under the same links."""

import dagster as dg
import polars as pl

from catalog.products.feed_limits import GateLimits
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.partitions import deliveries

NAME = "images_stay_under_their_links"
COLUMNS = ("product_id", "image_url", "sha256", "short_side_limit_px", "fetched_at")

CHANGED_IMAGES = partitioned_check(
    NAME,
    asset="outcomes",
    partitions_def=deliveries,
    blocking=True,
    description="Refetched images have the bytes that they had, but for the share that the gate allows.",
)


def refetched(former: pl.DataFrame | None, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return the products whose image was fetched again under the same link and setting, with is_changed."""
    if former is None:
        return pl.DataFrame(schema={"product_id": pl.String, "is_changed": pl.Boolean})
    keys = ["product_id", "image_url", "short_side_limit_px"]
    both = former.drop_nulls("sha256").join(
        outcomes.select(COLUMNS).drop_nulls("sha256"), on=keys, suffix="_new", nulls_equal=True
    )
    again = both.filter(pl.col("fetched_at") != pl.col("fetched_at_new"))
    return again.select("product_id", is_changed=pl.col("sha256") != pl.col("sha256_new"))


def check_images(
    delivery: str, former: pl.DataFrame | None, outcomes: pl.DataFrame, limits: GateLimits
) -> dg.AssetCheckResult:
    """Return the check: failed where more of the refetched images have other bytes than the limits allow.

    Args:
        former: The outcomes before the download, with `COLUMNS`; None where there were none.
        outcomes: Those after it.
    """
    images = refetched(former, outcomes)
    changed = images.filter("is_changed")
    is_small = images.height < limits.min_products
    passed = is_small or changed.height <= limits.max_images_changed * images.height
    examples = ", ".join(repr(each) for each in changed["product_id"].sort().head(3))
    words = f"{changed.height:,} of {images.height:,} refetched images of {delivery!r} have other bytes than before"
    way_out = (
        f", and at most {limits.max_images_changed:.0%} may, such as those of {examples}; look whether their shop "
        "serves a placeholder, and refresh them again once it does not; if they are right, raise "
        "gate.max_images_changed, or the partner's own in partners.toml"
    )
    return dg.AssetCheckResult(
        asset_key="outcomes",
        check_name=NAME,
        passed=passed,
        description=words if passed else f"{words}{way_out}",
        metadata={"refetched": images.height, "changed": changed.height},
    )
