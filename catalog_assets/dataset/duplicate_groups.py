"""Duplicate groups in the dataset's metadata: their sizes, and images of the largest."""

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog_assets.idioms.markdown import image_markdown, table

if TYPE_CHECKING:
    from resources.images import StoredImages

SHOWN_GROUPS, SHOWN_IMAGES = 8, 6


def near_duplicate_groups(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the groups that images alone form, the largest first: group, images (different bytes), products.

    Equal bytes count once, however many products show them: they are not a chain of look-alikes.
    """
    return (
        rows.group_by(group="image_group_id")
        .agg(images=pl.col("sha256").n_unique(), products=pl.len())
        .sort("images", "products", "group", descending=[True, True, False])
    )


def group_metadata(rows: pl.DataFrame, stored_images: "StoredImages") -> dict[str, dg.MetadataValue]:
    """Returns metadata: the sizes of near-duplicate groups, and a sheet of the largest, a row a group."""
    groups = near_duplicate_groups(rows)
    sizes = groups.group_by(images="images").agg(groups=pl.len(), products=pl.col("products").sum())
    metadata: dict[str, dg.MetadataValue] = {
        "duplicate groups by size": dg.MetadataValue.md(table(sizes.sort("images", descending=True)))
    }
    largest = groups.filter(pl.col("images") > 1).head(SHOWN_GROUPS)["group"]
    if len(largest):
        from catalog.images.contact_sheet import contact_sheet

        members = rows.filter(pl.col("image_group_id").is_in(largest.implode())).unique("sha256", maintain_order=True)
        by_group = (members.filter(image_group_id=group).head(SHOWN_IMAGES) for group in largest)
        drawn = [stored_images.read(each.select(_LOCATION)) for each in by_group]
        sheet = image_markdown(contact_sheet(drawn), "the largest groups of near-duplicates, a row each")
        metadata["largest near-duplicate groups"] = dg.MetadataValue.md(sheet)
    return metadata


_LOCATION = ("product_id", "delivery", "shard", "sha256")
