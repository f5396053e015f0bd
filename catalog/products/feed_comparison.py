"""Feed comparison: a version of a feed beside the version that is served, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from catalog.products.feed_contents import FeedContents, link_hash
from catalog.products.feed_limits import GateLimits
from catalog.products.id_spellings import other_spelling

MIN_SHARED = 0.05  # of the products of both versions that share one link, above which it counts as lost


@dataclass(frozen=True, kw_only=True)
class FeedComparison:
    """The numbers of a comparison; those of products of both versions are of a sample of one in `one_in`."""

    num_rows: int
    num_taken: int
    num_former: int
    num_kept: int
    num_new: int
    num_labeled: int
    num_labels_lost: int
    num_labels_changed: int
    num_linked: int
    num_links_lost: int
    num_links_changed: int
    shared_link: str = ""
    num_shared: int = 0
    spelling: str = ""
    one_in: int = 1
    is_first: bool = False

    @property
    def num_removed(self) -> int:
        """Products that only the served version has."""
        return self.num_former - self.num_kept

    def numbers(self) -> dict[str, Any]:
        """Return the fields, as plain values."""
        return asdict(self) | {"num_removed": self.num_removed}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A share beyond its limit: the name of the limit, and the sentence about it."""

    limit: str
    sentence: str


def compare(former: FeedContents | None, new: FeedContents) -> FeedComparison:
    """Compare a new version of a feed with the served one; None where nothing is served."""
    one_in = max(new.one_in, former.one_in if former is not None else 1)
    later = new.sampled(one_in)
    before = former.sampled(one_in) if former is not None else later.clear()
    both = before.join(later, on="item_id", suffix="_new")
    link, link_new = pl.col("link"), pl.col("link_new")
    shared = _shared_link(both, new)
    is_shared = (link_new == shared[1]).fill_null(value=False) if shared else pl.lit(value=False)
    is_changed = link != link_new
    labeled, linked = both.filter(pl.col("category_id").is_not_null()), both.filter(link.is_not_null())
    removed = before.join(later, on="item_id", how="anti")["item_id"]
    added = later.join(before, on="item_id", how="anti")["item_id"]
    return FeedComparison(
        num_rows=new.num_rows,
        num_taken=new.num_taken,
        num_former=before.height * one_in,
        num_kept=both.height * one_in,
        num_new=added.len() * one_in,
        num_labeled=labeled.height,
        num_labels_lost=labeled["category_id_new"].null_count(),
        num_labels_changed=labeled.filter(pl.col("category_id") != pl.col("category_id_new")).height,
        num_linked=linked.height,
        num_links_lost=linked.filter(link_new.is_null() | (is_changed & is_shared)).height,
        num_links_changed=linked.filter(is_changed & ~is_shared).height,
        shared_link=shared[0] if shared else "",
        num_shared=both.filter(is_shared).height,
        spelling=other_spelling(removed, added) or "",
        one_in=one_in,
        is_first=former is None or before.is_empty(),
    )


def _shared_link(both: pl.DataFrame, new: FeedContents) -> tuple[str, int] | None:
    """Returns the link, and its hash, that the most products of both versions have now, if many of them do."""
    for url, _ in new.shared_links.most_common(3):
        number = _hash(url)
        num = both.filter(pl.col("link_new") == number).height
        before = both.filter(pl.col("link") == number).height
        if num > max(1, MIN_SHARED * both.height) and num > 2 * before:
            return url, number
    return None


def _hash(url: str) -> int:
    return int(pl.DataFrame({"url": [url]}).select(link_hash("url")).item())


def findings(comparison: FeedComparison, limits: GateLimits, *, has_same_content: bool = False) -> list[Finding]:
    """Return what is beyond the limits, the gravest first; nothing where the version may be served.

    Args:
        has_same_content: The version is the served one, read again: labels may follow a new taxonomy.
    """
    return list(_findings(comparison, limits, has_same_content=has_same_content))


def _findings(each: FeedComparison, limits: GateLimits, *, has_same_content: bool) -> Iterator[Finding]:
    is_small = each.num_rows < limits.min_products
    if each.num_taken == 0 or (not is_small and each.num_taken < limits.min_taken * each.num_rows):
        yield Finding(
            limit="min_taken",
            sentence=f"only {_of(each.num_taken, each.num_rows, 'rows')} would become products, and at least "
            f"{limits.min_taken:.0%} must",
        )
    if each.is_first:
        return
    is_small = each.num_former < limits.min_products
    removed, added = each.num_removed, each.num_new
    if (removed == each.num_former and limits.max_removed < 1) or _exceeds(
        removed, each.num_former, limits.max_removed, is_small=is_small
    ):
        yield Finding(
            limit="max_removed",
            sentence=f"{_of(removed, each.num_former, 'products')} would be removed, and at most "
            f"{limits.max_removed:.0%} may be",
        )
    if _exceeds(added, each.num_kept + added, limits.max_new, is_small=is_small):
        yield Finding(
            limit="max_new",
            sentence=f"{_of(added, each.num_kept + added, 'products')} have ids that are new, and at most "
            f"{limits.max_new:.0%} may",
        )
    yield from _link_findings(each, limits)
    if not has_same_content:
        yield from _label_findings(each, limits)


def _label_findings(each: FeedComparison, limits: GateLimits) -> Iterator[Finding]:
    is_small = each.num_labeled < limits.min_products
    for num, limit, words in (
        (each.num_labels_lost, "max_labels_lost", "labeled products would lose their label"),
        (each.num_labels_changed, "max_labels_changed", "labeled products would have another label"),
    ):
        allowed = getattr(limits, limit)
        if _exceeds(num, each.num_labeled, allowed, is_small=is_small):
            sentence = f"{_of(num, each.num_labeled, words)}, and at most {allowed:.0%} may"
            yield Finding(limit=limit, sentence=sentence)


def _link_findings(each: FeedComparison, limits: GateLimits) -> Iterator[Finding]:
    is_small = each.num_linked < limits.min_products
    shared = f" ({each.num_shared:,} products now share {each.shared_link!r})" if each.shared_link else ""
    for num, limit, words in (
        (each.num_links_lost, "max_links_lost", f"products would lose their own image link{shared}"),
        (each.num_links_changed, "max_links_changed", "products would have another image link"),
    ):
        allowed = getattr(limits, limit)
        if _exceeds(num, each.num_linked, allowed, is_small=is_small):
            yield Finding(limit=limit, sentence=f"{_of(num, each.num_linked, words)}, and at most {allowed:.0%} may")


def _exceeds(num: int, total: int, allowed: float, *, is_small: bool) -> bool:
    return not is_small and total > 0 and num > allowed * total


def _of(num: int, total: int, what: str) -> str:
    share = f" ({num / total:.0%})" if total else ""
    return f"{num:,} of {total:,} {what}{share}" if " " not in what else f"{num:,} of {total:,}{share} {what}"
