"""Estimates from a stratified sample, against hand-written formulas and against repeated draws."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.images.statuses import Status
from catalog.probe.estimates import Z, link_state, shares, total
from catalog.probe.published_rates import beside_published, published_group

STRATA = {"a": (10_000, 0.02), "b": (1_000, 0.30), "c": (200, 0.0), "d": (3, 1.0)}  # size, share gone


def sampled(strata: dict[str, tuple[int, list[str]]]) -> pl.DataFrame:
    """Rows of a probe, of strata of (size, statuses drawn)."""
    return pl.DataFrame(
        [(name, size, size / len(drawn), status) for name, (size, drawn) in strata.items() for status in drawn],
        schema=["stratum", "stratum_size", "weight", "status"],
        orient="row",
    )


def test_simple_sample_has_wilson_s_interval() -> None:
    rows = sampled({"a": (10**12, ["gone"] * 12 + ["ok"] * 88)})
    found = shares(rows).filter(status="gone").row(0, named=True)
    p, n = 0.12, 99  # the variance of a sample is over n - 1
    center = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    assert found["share"] == pytest.approx(p)
    assert (found["low"], found["high"]) == pytest.approx((center - half, center + half))


def test_sample_without_variation_still_has_an_interval() -> None:
    found = shares(sampled({"a": (10**9, ["ok"] * 100)})).row(0, named=True)
    assert found["share"] == 1
    assert found["high"] == 1
    assert found["low"] == pytest.approx(1 / (1 + Z**2 / 100), rel=1e-3)


def test_complete_sample_has_an_interval_of_zero_width() -> None:
    found = shares(sampled({"a": (4, ["ok", "ok", "ok", "gone"]), "b": (1, ["gone"])}))
    assert found.filter(status="gone").select("share", "low", "high").row(0) == pytest.approx((0.4, 0.4, 0.4))


def test_strata_weigh_by_their_size_not_by_their_sample() -> None:
    rows = sampled({"a": (9_000, ["ok"] * 10), "b": (1_000, ["gone"] * 10)})
    assert dict(shares(rows).select("status", "share").iter_rows()) == pytest.approx({"ok": 0.9, "gone": 0.1})


def test_shares_by_partner_are_each_partner_s_own() -> None:
    rows = sampled({"x: a": (90, ["ok", "gone"]), "x: b": (10, ["ok", "ok"]), "y: a": (50, ["gone", "gone"])})
    rows = rows.with_columns(partner_id=pl.col("stratum").str.head(1))
    found = shares(rows, by=["partner_id"])
    assert found.select("partner_id", "status", "links", "sampled", "num", "share").rows() == [
        ("x", "ok", 100, 4, 3, pytest.approx(0.55)),
        ("x", "gone", 100, 4, 1, pytest.approx(0.45)),
        ("y", "gone", 50, 2, 2, pytest.approx(1.0)),
    ]


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.tuples(st.integers(0, 1_000), st.lists(st.sampled_from(list(Status)), min_size=2, max_size=20)),
        min_size=1,
    )
)
def test_shares_add_up_to_one_and_lie_in_their_intervals(strata: dict[str, tuple[int, list[Status]]]) -> None:
    rows = sampled({name: (len(drawn) + more, [*map(str, drawn)]) for name, (more, drawn) in strata.items()})
    found = shares(rows)
    assert found["share"].sum() == pytest.approx(1)
    for share, low, high in found.select("share", "low", "high").iter_rows():
        assert 0 <= low <= share + 1e-9
        assert share - 1e-9 <= high <= 1


def test_intervals_of_repeated_samples_cover_the_true_value() -> None:
    rng = np.random.default_rng(0)
    truth = sum(size * share for size, share in STRATA.values()) / sum(size for size, _ in STRATA.values())
    covers, bytes_covers = [], []
    population = {name: np.arange(size) < round(size * share) for name, (size, share) in STRATA.items()}
    mean_bytes = {name: rng.gamma(2, 5_000, size) for name, (size, _) in STRATA.items()}
    for _ in range(300):
        frames = []
        for name, gone in population.items():
            drawn = rng.choice(len(gone), min(len(gone), 60), replace=False)
            statuses = np.where(gone[drawn], "gone", "ok").tolist()
            stored = np.where(gone[drawn], 0, mean_bytes[name][drawn]).astype(int).tolist()
            frames.append(sampled({name: (len(gone), statuses)}).with_columns(pl.Series("bytes", stored)))
        rows = pl.concat(frames)
        found = shares(rows).filter(status="gone").row(0, named=True)
        covers.append(found["low"] <= truth <= found["high"])
        all_bytes = sum(mean_bytes[name][~gone].astype(int).sum() for name, gone in population.items())
        estimate = total(rows, "bytes")
        bytes_covers.append(estimate.low <= all_bytes <= estimate.high)
    assert np.mean(covers) > 0.92
    assert np.mean(bytes_covers) > 0.90  # of 300 draws; the bytes of few images are not normal


def test_total_is_the_mean_of_each_stratum_times_its_size() -> None:
    rows = sampled({"a": (100, ["ok", "ok"]), "b": (1, ["ok"])}).with_columns(bytes=pl.Series([10, 30, 7]))
    found = total(rows, "bytes")
    half = Z * np.sqrt(100 * 98 * 200 / 2)  # s2 of 10 and 30 is 200
    assert (found.value, found.high) == pytest.approx((2_007, 2_007 + half))
    assert found.low == pytest.approx(2_007 - half)


def test_published_groups_without_links_are_shown_beside_their_rates() -> None:
    rows = sampled({"a": (1_000, ["ok"] * 8 + ["gone", "timeout"])})
    groups = shares(rows.with_columns(published_group()), of="group")
    assert beside_published(groups).select("group", "num", "share", "published").rows() == [
        ("invalid link", 0, 0.0, 0.01),
        ("not downloadable", 2, pytest.approx(0.2), 0.12),
    ]


def test_refetched_links_are_live_unreached_or_gone() -> None:
    rows = pl.DataFrame({"status": ["ok", "timeout", "host_paused", "gone", "corrupt", "invalid_url"]})
    states = rows.select(link_state()).to_series().to_list()
    assert states == ["live", "unreached", "unreached", "gone", "gone", "gone"]
