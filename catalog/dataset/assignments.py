"""Assignments: the group and split that every product has for good, and the rule for products that become duplicates.

The table `splits` has a row for every product that ever had an image. A *component* is a set of products that are
duplicates or variants of each other now. Components change with every delivery; assignments do not:

1. A new product joins the group of its component, and takes its split. A component of new products alone is a new
   group: named after its smallest product id, and split by the hash of that name or as its partners' settings say.
2. Where products of several splits are one component, the strictest split counts: golden before test before validation
   before training. The products of the other splits are left out for as long as that lasts, and each keeps its own
   group and split. So no duplicate of an evaluated product trains, no evaluated product ever trains, and nothing that
   one partner delivers moves a product of another one. Of validation groups, one that evaluates counts before one
   that selects (`in_selection_half`).
3. Products of several groups of one split are one group of the dataset, named after the smallest of those groups.
   Where a group falls apart, all its parts keep its name and its split.
4. A product that leaves and comes back has its former group and split.
5. Only its own partner's settings change the split of a product, and only to a stricter one. A product whose split is
   stricter than its partner's setting is left out. If a partner is no longer golden, its golden products become test
   products. A new product that duplicates a golden one is left out, and is a test product once it does not any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.group_names import Components, Mask, chosen_names, prefixed, smallest_ids, unused_names
from catalog.dataset.splits import GOLDEN, in_selection_half, splits_of, train_or_val

SPLITS_SCHEMA = {"product_id": pl.String, "group_id": pl.String, "split": pl.String}
STRICTNESS = ("train", "val", "test", GOLDEN)  # the least strict first; a split's rank is its position
GOLDEN_UNLABELED, GOLDEN_DUPLICATE, SPLIT_DUPLICATE = "golden_unlabeled", "golden_duplicate", "split_duplicate"

_NONE, _TRAIN, _VAL, _TEST, _GOLDEN = range(-1, len(STRICTNESS))
_WITHOUT_TEST = "train+val"  # the setting of a partner whose products are split by hash, but for the test split

Ranks = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class Splitting:
    """Former assignments and partners' settings, which decide the splits of products together with duplicates.

    `former` is the table `splits`: product_id, group_id and split; `no_splits()` before the first build.
    `partner_splits` is the split of the partners that have one: `golden` where labels are verified, or one of
    `catalog.products.partners.PARTNER_SPLITS`.
    """

    former: pl.DataFrame
    partner_splits: Mapping[str, str]


def no_splits() -> pl.DataFrame:
    """Returns the table `splits` of a store whose dataset was never built: without a row."""
    return pl.DataFrame(schema=SPLITS_SCHEMA)


def assign_splits(products: pl.DataFrame, component: Components, splitting: Splitting) -> pl.DataFrame:
    """Returns the group and split of products by the rule above, and the products that are left out.

    The result depends on products, components and former assignments alone, not on the order of their rows.

    Args:
        products: rows with product_id, partner_id and category_id, (n,); no product twice.
        component: the index of one member of each product's component, the same for all its members, (n,).
        splitting: the former assignments, and the settings of partners, of which in a component of new products the
            strictest counts.

    Returns:
        A row for each product, in their order: product_id; own_group_id and split, which are assigned to it for good;
        group_id, the group of its component; and left_out, null for a row of the dataset, else `golden_unlabeled` for
        a golden product without a label, `golden_duplicate` for another one in a component with golden products, and
        `split_duplicate` for a product whose split is not that of its component, or not its partner's.

    Raises:
        ValueError: a product has two former assignments.
    """
    ids, is_unlabeled = products["product_id"], products["category_id"].is_null().to_numpy()
    settings, former = _Settings.of(products["partner_id"], splitting.partner_splits), splitting.former
    known = _known(ids, former)
    former_rank = _ranks(known["split"])
    is_new = former_rank == _NONE

    rank = np.maximum(np.minimum(former_rank, _TEST), settings.rank)  # but for golden partners, golden becomes test
    strictest = _strictest(rank, ids, component, settings)
    joins = is_new & settings.admit(strictest)  # the others stay apart, in the split of their partner's setting
    rank[joins] = np.where(settings.rank == _GOLDEN, strictest, np.minimum(strictest, _TEST))[joins]
    stays = rank == _NONE
    rank[stays] = _ranks(train_or_val(ids.filter(pl.Series(stays))))
    split, counts = _names_of(rank), rank == strictest

    own = prefixed(known["group_id"], split, among=~is_new & (rank != former_rank))
    has_group = np.zeros(len(products), dtype=np.bool_)
    has_group[component[counts & ~is_new]] = True
    founds = counts & is_new & ~has_group[component]
    found = smallest_ids(ids, component, among=founds)
    own = _where(is_new, unused_names(found, split, among=is_new, former=former), own)
    group_id = chosen_names(own, component, among=founds | (counts & ~is_new), is_val=rank == _VAL)
    own = _where(joins & ~founds, prefixed(group_id, split, among=joins & ~counts), own)
    differs = ~counts | ~settings.admit(rank) | _in_other_half(own, group_id, among=counts & (rank == _VAL))
    left_out = _reasons(strictest == _GOLDEN, settings.rank == _GOLDEN, is_unlabeled, differs)
    return pl.DataFrame(
        {"product_id": ids, "own_group_id": own, "split": split, "group_id": group_id, "left_out": left_out}
    )


def _known(ids: pl.Series, former: pl.DataFrame) -> pl.DataFrame:
    """Returns the former group and split of each product, (n,); null for new ones."""
    try:
        return ids.to_frame().join(former, on="product_id", how="left", maintain_order="left", validate="1:1")
    except pl.exceptions.ComputeError as error:
        twice = [*former.filter(pl.col("product_id").is_duplicated())["product_id"].head(3)]
        raise ValueError(f"the table splits has products twice: {twice}; restore it from a copy") from error


def update_splits(former: pl.DataFrame, assigned: pl.DataFrame) -> pl.DataFrame:
    """Returns the table `splits` after `assign_splits`: the former products in their places, and the new ones."""
    now = assigned.select("product_id", pl.col("own_group_id").alias("group_id"), "split")
    new = now.join(former, on="product_id", how="anti", maintain_order="left")
    kept = former.join(now, on="product_id", how="left", maintain_order="left", suffix="_now")
    changed = [pl.coalesce(f"{name}_now", name).alias(name) for name in ("group_id", "split")]
    return pl.concat([kept.select("product_id", *changed), new])


@dataclass(frozen=True)
class _Settings:
    """The settings of each product's partner, (n,): the rank of its split, and whether it is split by hash."""

    rank: Ranks  # -1 without a setting
    is_without_test: Mask

    @classmethod
    def of(cls, partner_ids: pl.Series, partner_splits: Mapping[str, str]) -> _Settings:
        own = partner_ids.replace_strict(partner_splits, default=None, return_dtype=pl.String)
        return cls(_ranks(own), (own == _WITHOUT_TEST).fill_null(value=False).to_numpy())

    def admit(self, rank: Ranks) -> Mask:
        """Returns True for each product whose partner's setting admits a split."""
        is_own: Mask = (self.rank == rank) | (self.rank == _NONE)
        return is_own & ~(self.is_without_test & (rank >= _TEST))


def _strictest(rank: Ranks, ids: pl.Series, component: Components, settings: _Settings) -> Ranks:
    """Returns the rank of each product's component, (n,): its strictest member's, or by hash where no member has one.

    A component with a partner that wants no test product is not drawn as one.
    """
    strictest, without_test = np.full(len(rank), _NONE, dtype=np.int8), np.zeros(len(rank), dtype=np.bool_)
    np.maximum.at(strictest, component, rank)
    without_test[component[settings.is_without_test]] = True
    strictest, without_test = strictest[component], without_test[component]
    drawn = strictest == _NONE
    names = smallest_ids(ids, component, among=drawn)
    for draw, mask in ((splits_of, drawn & ~without_test), (train_or_val, drawn & without_test)):
        strictest[mask] = _ranks(draw(names.filter(pl.Series(mask))))
    return strictest


def _in_other_half(own: pl.Series, group_id: pl.Series, among: Mask) -> Mask:
    """Returns True for validation products that select while their component evaluates, (n,)."""
    others = np.flatnonzero(among & (own != group_id).to_numpy())
    found = np.zeros(len(own), dtype=np.bool_)
    found[others] = (in_selection_half(own[others]) != in_selection_half(group_id[others])).to_numpy()
    return found


def _reasons(is_golden: Mask, is_own_golden: Mask, is_unlabeled: Mask, differs: Mask) -> pl.Series:
    reason = (
        pl.when(pl.Series(is_own_golden & is_unlabeled))
        .then(pl.lit(GOLDEN_UNLABELED))
        .when(pl.Series(is_golden & ~is_own_golden))
        .then(pl.lit(GOLDEN_DUPLICATE))
        .when(pl.Series(differs))
        .then(pl.lit(SPLIT_DUPLICATE))
    )
    return pl.select(reason.alias("left_out"))["left_out"]


def _ranks(splits: pl.Series) -> Ranks:
    """Returns the rank of each split, (n,), as an array of its own; -1 for none of `STRICTNESS`."""
    ranks = {split: rank for rank, split in enumerate(STRICTNESS)}
    return splits.replace_strict(ranks, default=_NONE, return_dtype=pl.Int8).to_numpy().copy()


def _names_of(rank: Ranks) -> pl.Series:
    return pl.Series(rank).replace_strict(dict(enumerate(STRICTNESS)), return_dtype=pl.String)


def _where(mask: Mask, values: pl.Series, others: pl.Series) -> pl.Series:
    return values.zip_with(pl.Series(mask), others)
