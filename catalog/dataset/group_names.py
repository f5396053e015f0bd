"""Group names: the smallest product id of a group, and with its split before it where that name is another group's."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.splits import in_selection_half

Components = NDArray[Any]  # (n,) integers: the index of one member, the same for all members of a component
Mask = NDArray[np.bool_]


def is_shared(component: Components) -> Mask:
    """Returns True for the products that have another one in their component, (n,)."""
    shared: Mask = np.bincount(component, minlength=len(component))[component] > 1
    return shared


def smallest_ids(product_ids: pl.Series, component: Components, among: Mask | None = None) -> pl.Series:
    """Returns the smallest id of each product's component, (n,).

    Args:
        product_ids: ids, (n,).
        component: as `is_shared` takes it.
        among: True for the members that are compared; the others have their own id. By default all are.
    """
    mask = is_shared(component) if among is None else is_shared(component) & among
    members = pl.DataFrame({"id": product_ids, "component": component}).with_row_index("position")
    shared = members.filter(pl.Series(mask)).with_columns(pl.col("id").min().over("component"))
    return _replaced(product_ids, shared["position"], shared["id"])


def chosen_names(names: pl.Series, component: Components, among: Mask, is_val: Mask) -> pl.Series:
    """Returns the smallest name of each product's component, (n,); null where no member counts.

    Of validation groups, one that evaluates is chosen before one that selects.

    Args:
        names: the group of each product, (n,).
        component: as `is_shared` takes it.
        among: True for the products that count.
        is_val: True for validation products.
    """
    own = pl.select(pl.when(pl.Series(among)).then(names).alias("name"))["name"]
    rows = pl.DataFrame({"component": component, "name": own, "is_val": is_val}).with_row_index("position")
    rows = rows.filter(pl.Series(is_shared(component)))
    if rows.is_empty():
        return own
    choices = rows.drop_nulls("name").unique(["component", "name"]).select("component", "name", "is_val")
    is_contested = pl.col("component").is_duplicated()
    contested = choices.filter(is_contested)
    if len(contested):  # hashed are only these few
        selects = contested["is_val"] & in_selection_half(contested["name"])
        contested = contested.with_columns(selects.alias("selects")).sort("component", "selects", "name")
        contested = contested.unique("component", keep="first").select(choices.columns)
        choices = pl.concat([choices.filter(~is_contested), contested])
    chosen = rows.select("position", "component").join(
        choices.select("component", "name"), on="component", how="left", maintain_order="left"
    )
    return _replaced(own, chosen["position"], chosen["name"])


def prefixed(names: pl.Series, splits: pl.Series, among: Mask) -> pl.Series:
    """Returns the names of groups, (n,), where `among` is True those of their products in another split: `test/shop:1`.

    A partner's name has no slash, so that this is the id of no product.
    """
    if not among.any():
        return names
    bare = pl.col("name").str.replace(r"^(train|val|test|golden)/", "")
    frame = pl.DataFrame({"name": names, "split": splits}).with_row_index("position").filter(pl.Series(among))
    renamed = frame.select("position", pl.format("{}/{}", "split", bare).alias("name"))
    return _replaced(names, renamed["position"], renamed["name"])


def unused_names(names: pl.Series, splits: pl.Series, among: Mask, former: pl.DataFrame) -> pl.Series:
    """Returns the names of new groups, (n,), each `prefixed` where a former group of another split has it.

    Args:
        names: a name of each product, (n,).
        splits: the split of each product, (n,).
        among: True for the products that need a name; the others keep the given one.
        former: the table `splits`.
    """
    wanted = pl.DataFrame({"name": names, "split": splits}).filter(pl.Series(among))
    named = former.select(pl.col("group_id").alias("name"), pl.col("split").alias("former_split"))
    taken = named.join(wanted.unique(), on="name").filter(pl.col("split") != pl.col("former_split"))
    if taken.is_empty():
        return names
    return prefixed(names, splits, among & names.is_in(taken["name"].unique().implode()).to_numpy())


def _replaced(values: pl.Series, positions: pl.Series, others: pl.Series) -> pl.Series:
    """Returns the values with others at these positions, all distinct; `Series.scatter` would change its argument."""
    return values.clone().scatter(positions, others) if len(positions) else values
