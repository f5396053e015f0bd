"""Samples of links: every stratum is sampled, no link twice, and the weights correct for it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.probe.sampling import NO_HOST, OTHER_HOSTS, Sampling, allocation, draw, links_to_fetch


def products(partner: str, links: list[str | None], delivery: str = "d") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "product_id": [f"{partner}:{delivery}{index}" for index in range(len(links))],
            "partner_id": partner,
            "image_url": links,
            "delivery": delivery,
        },
        schema_overrides={"image_url": pl.String},
    )


def at(host: str, num: int) -> list[str | None]:
    return [f"http://{host}/{index}.jpg" for index in range(num)]


def parts(*frames: pl.DataFrame) -> list[pl.LazyFrame]:
    return [links_to_fetch(frame.lazy()) for frame in frames]


@given(
    st.lists(st.integers(1, 5_000), min_size=1, max_size=30),
    st.integers(1, 20_000),
    st.integers(1, 30),
)
def test_allocation_is_proportional_above_its_minima(sizes: list[int], num_links: int, minimum: int) -> None:
    size = np.array(sizes)
    nums = allocation(size, num_links, minimum)
    floors = np.minimum(size, minimum)
    assert (nums <= size).all()
    assert (nums >= floors).all()
    assert nums.sum() == min(size.sum(), max(num_links, floors.sum()))
    above = nums > floors + 1  # where no minimum binds, the rates are equal up to rounding
    if above.any():
        rate = nums[above].sum() / size[above].sum()
        assert (abs(nums[above] - rate * size[above]) <= 1 + 1e-6).all()


def test_all_strata_are_sampled_and_weights_add_up_to_all_links() -> None:
    sample = draw(
        parts(
            products("hansen", at("big.example", 5_000) + at("small.example", 30)),
            products("meier", [*at("big.example", 900), None, "n/a", *at("tiny.example", 2)], "e"),
        ),
        Sampling(num_links=500, min_per_stratum=10),
    )
    assert len(sample) == 500
    sizes = sample.group_by("stratum").agg(pl.len(), pl.col("weight").sum(), pl.col("stratum_size").first())
    drawn = {stratum: (num, round(weight), size) for stratum, num, weight, size in sizes.iter_rows()}
    assert drawn["hansen: small.example"] == (10, 30, 30)
    assert drawn["meier: tiny.example"] == (2, 2, 2)
    assert drawn[f"meier: {NO_HOST}"] == (2, 2, 2)
    assert drawn["hansen: big.example"][0] + drawn["meier: big.example"][0] == 486
    assert drawn["hansen: big.example"][1:] == (5_000, 5_000)
    assert sample.select("delivery", "product_id").is_duplicated().sum() == 0


def test_same_seed_draws_the_same_links_in_any_delivery() -> None:
    whole = products("hansen", at("shop.example", 1_000))
    sampling = Sampling(num_links=100, seed=5)
    at_once = draw(parts(whole), sampling)
    assert draw(parts(whole), sampling).equals(at_once)
    in_pieces = draw(parts(whole[600:], whole[:300], whole[300:600]), sampling)
    assert in_pieces.equals(at_once)
    other = draw(parts(whole), Sampling(num_links=100, seed=6))
    assert len(set(other["product_id"]) & set(at_once["product_id"])) < 30  # 10 are expected


def test_every_link_is_as_likely_as_any_other() -> None:
    whole = parts(products("hansen", at("shop.example", 100)))
    drawn = pl.concat([draw(whole, Sampling(num_links=20, seed=seed)) for seed in range(300)])
    nums = drawn["product_id"].value_counts()["count"]
    assert len(nums) == 100
    assert nums.sum() == 6_000
    chi2 = float(((nums - 60) ** 2 / (60 * 0.8)).sum())  # without replacement: less varied than a multinomial
    assert chi2 < 149  # the 99.9 % point for 99 degrees of freedom


def test_sample_larger_than_the_catalog_is_the_catalog() -> None:
    sample = draw(parts(products("hansen", [*at("shop.example", 40), None])), Sampling(num_links=1_000))
    assert len(sample) == 41
    assert set(sample["weight"]) == {1.0}


def test_more_hosts_than_links_share_a_stratum_of_their_partner() -> None:
    crowd = [f"http://host{index}.example/a.jpg" for index in range(400)]
    sample = draw(parts(products("hansen", at("big.example", 500) + crowd)), Sampling(num_links=60, min_per_stratum=5))
    assert len(sample) == 60
    assert sample["weight"].sum() == pytest.approx(900)
    assert f"hansen: {OTHER_HOSTS}" in sample["stratum"]
    assert sample["stratum"].n_unique() == 7  # six named and the others


def test_too_few_links_for_every_partner_are_refused_with_the_minimum() -> None:
    frames = [products(f"p{index}", at("shop.example", 50), f"d{index}") for index in range(10)]
    with pytest.raises(ValueError, match="give at least 50"):
        draw(parts(*frames), Sampling(num_links=20, min_per_stratum=5))


def test_only_links_still_to_be_fetched_are_drawn() -> None:
    frame = products("hansen", [*at("shop.example", 6), None, None])
    outcomes = frame.select(
        "product_id",
        pl.when(pl.col("product_id") == "hansen:d2")
        .then(pl.lit("http://old/2"))
        .otherwise("image_url")
        .alias("image_url"),
        status=pl.Series(["ok", "gone", "ok", "timeout", "host_paused", "corrupt", "invalid_url", "timeout"]),
    )
    left = links_to_fetch(frame.lazy(), outcomes.lazy()).collect()
    # The second's link is another by now, the third and fourth may end otherwise, the last has failed oddly.
    assert left["product_id"].to_list() == ["hansen:d2", "hansen:d3", "hansen:d4", "hansen:d7"]


def test_removed_product_is_not_drawn() -> None:
    removed = pl.Series("removed_at", [None, "2024-05-01", None])
    frame = products("hansen", at("shop.example", 3)).with_columns(removed)
    assert links_to_fetch(frame.lazy()).collect()["product_id"].to_list() == ["hansen:d0", "hansen:d2"]


def test_no_link_to_probe_is_an_error() -> None:
    with pytest.raises(ValueError, match="no link to probe"):
        draw([], Sampling())
    with pytest.raises(ValueError, match="no link to probe"):
        draw(parts(products("hansen", [])), Sampling())


@pytest.mark.parametrize("wrong", [{"min_per_stratum": 1}, {"num_links": 3}])
def test_sample_too_small_for_an_interval_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)
