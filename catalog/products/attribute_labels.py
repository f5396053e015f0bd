"""Attribute labels: an attribute of products, such as the color, as classes for a classifier."""

from __future__ import annotations

import polars as pl


def attribute_labels(rows: pl.DataFrame, products: pl.LazyFrame, column: str) -> pl.Series:
    """Return the text of a product column for each row of the dataset, in lower case, stripped; null without one.

    Args:
        rows: Rows of the dataset, with product_id and delivery.
        products: The table products.

    Raises:
        ValueError: The table has no such column; the message names those that it has.
    """
    schema = products.collect_schema()
    if column not in schema or schema[column] != pl.String:
        texts = [name for name, dtype in schema.items() if dtype == pl.String]
        raise ValueError(f"the table products has no text column {column!r}; it has {', '.join(sorted(texts))}")
    text = pl.col(column).str.strip_chars().str.to_lowercase()
    labels = products.select("product_id", "delivery", label=pl.when(text != "").then(text))
    wanted = rows.lazy().select("product_id", "delivery")
    found = wanted.join(labels, on=["product_id", "delivery"], how="left", maintain_order="left").collect()
    return found["label"]


def learnable(labels: pl.Series, in_training: pl.Series, min_images: int) -> list[str]:
    """Return the labels of at least `min_images` training rows each, ascending.

    Raises:
        ValueError: There are fewer than two.
    """
    counts = pl.DataFrame({"label": labels, "trains": in_training}).filter("trains").drop_nulls()
    counts = counts.group_by("label").len().sort("len", descending=True)
    known: list[str] = sorted(counts.filter(pl.col("len") >= min_images)["label"])
    if len(known) < 2:
        most = ", ".join(f"{label!r} {num} times" for label, num in counts.head(3).iter_rows()) or "no label at all"
        raise ValueError(
            f"an attribute takes two labels with {min_images} training images each; there is {most}: "
            "deliver more of them, or lower min_images in its recipe"
        )
    return known
