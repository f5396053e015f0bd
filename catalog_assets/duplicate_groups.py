"""Duplicate groups of the dataset as people see them: how large they are, and the pictures of the largest."""

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog_assets.markdown import picture, table

if TYPE_CHECKING:
    from resources.pictures import Pictures

SHOWN_GROUPS, SHOWN_PICTURES = 8, 6


def near_groups(rows: pl.DataFrame) -> pl.DataFrame:
    """The groups that pictures alone form, the largest first: group, pictures (different bytes), products.

    Copies of the same bytes are no chain of look-alikes, however many products show them, so they count once.
    """
    return (
        rows.group_by(group="picture_group_id")
        .agg(pictures=pl.col("sha256").n_unique(), products=pl.len())
        .sort("pictures", "products", "group", descending=[True, True, False])
    )


def shown_groups(rows: pl.DataFrame, pictures: "Pictures") -> dict[str, dg.MetadataValue]:
    """Metadata of the dataset: the sizes of its near-duplicate groups, and a sheet of the largest, a row a group."""
    groups = near_groups(rows)
    sizes = groups.group_by(pictures="pictures").agg(groups=pl.len(), products=pl.col("products").sum())
    shown: dict[str, dg.MetadataValue] = {
        "duplicate groups by size": dg.MetadataValue.md(table(sizes.sort("pictures", descending=True)))
    }
    largest = groups.filter(pl.col("pictures") > 1).head(SHOWN_GROUPS)["group"]
    if len(largest):
        from catalog.contact_sheet import contact_sheet

        members = rows.filter(pl.col("picture_group_id").is_in(largest.implode())).unique("sha256", maintain_order=True)
        by_group = (members.filter(picture_group_id=group).head(SHOWN_PICTURES) for group in largest)
        drawn = [pictures.read(each.select(_PLACE)) for each in by_group]
        sheet = picture(contact_sheet(drawn), "the largest groups of near duplicates, a row each")
        shown["largest near-duplicate groups"] = dg.MetadataValue.md(sheet)
    return shown


_PLACE = ("product_id", "delivery", "shard", "sha256")
