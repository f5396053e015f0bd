"""Attribute labels: what products are in one respect, such as their colour, as classes that a classifier can learn."""

from __future__ import annotations

import polars as pl


def attribute_labels(rows: pl.DataFrame, products: pl.LazyFrame, column: str) -> pl.Series:
    """The text of a product column for each row of the dataset, in lower case without spaces around; null without one.

    Raises ValueError where the table products has no such column, naming those that it has.
    """
    schema = products.collect_schema()
    if column not in schema or schema[column] != pl.String:
        texts = [name for name, dtype in schema.items() if dtype == pl.String]
        raise ValueError(f"the table products has no text column {column!r}; it has {', '.join(sorted(texts))}")
    word = pl.col(column).str.strip_chars().str.to_lowercase()
    said = products.select("product_id", "delivery", label=pl.when(word != "").then(word))
    wanted = rows.lazy().select("product_id", "delivery")
    found = wanted.join(said, on=["product_id", "delivery"], how="left", maintain_order="left").collect()
    return found["label"]


def learnable(labels: pl.Series, in_training: pl.Series, min_pictures: int) -> list[str]:
    """The labels that at least so many training rows have, ascending.

    Raises ValueError where fewer than two are: there would be nothing to tell apart.
    """
    counts = pl.DataFrame({"label": labels, "trains": in_training}).filter("trains").drop_nulls()
    counts = counts.group_by("label").len().sort("len", descending=True)
    known: list[str] = sorted(counts.filter(pl.col("len") >= min_pictures)["label"])
    if len(known) < 2:
        most = ", ".join(f"{label!r} {num} times" for label, num in counts.head(3).iter_rows()) or "no label at all"
        raise ValueError(
            f"an attribute takes two labels with {min_pictures} training pictures each; there is {most}: "
            "deliver more of them, or lower min_pictures in its recipe"
        )
    return known
