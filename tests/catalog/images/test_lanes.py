"""Lanes: no lane in two tasks, no host pressed harder by all tasks together than by one."""

from collections import Counter, defaultdict
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.images.fetch_settings import FetchSettings
from catalog.images.lanes import LARGE_HOST_LANES, MIN_LARGE_HOST_LINKS, plan_lanes
from catalog.images.politeness import Politeness

SETTINGS = FetchSettings(
    politeness=Politeness(max_connections=8, rate_per_s=10.0),
    host_limits={"shy.example": Politeness(max_connections=1, rate_per_s=0.5), "h3.example": Politeness()},
)
HOSTS = ["shy.example", *(f"h{index}.example" for index in range(12))]
links_of_hosts = st.lists(
    st.tuples(st.sampled_from(HOSTS), st.sampled_from(["", ":8080"]), st.sampled_from([1, 7, 150, 900])),
    min_size=1,
    max_size=12,
).map(
    lambda parts: pl.Series(
        [
            f"http://{host}{port}/{place}-{number}.jpg"
            for place, (host, port, num) in enumerate(parts)
            for number in range(num)
        ]
    )
)


@given(links_of_hosts, st.integers(1, 20))
def test_all_tasks_together_press_no_host_harder_than_allowed(links: pl.Series, num_tasks: int) -> None:
    task_of, lanes = plan_lanes(links, SETTINGS, num_tasks)
    asked_by = defaultdict(set)
    for task, url in zip(task_of, links, strict=True):
        asked_by[url.split("/")[2].split(":")[0]].add(task)
    for host, tasks in asked_by.items():
        agreed = SETTINGS.host_limits.get(host, SETTINGS.politeness)
        held = [lanes.settings_of(task, SETTINGS).host_limits[host] for task in tasks]
        assert sum(each.num_connections for each in held) <= agreed.max_connections
        assert sum(each.share for each in held) == 1
        if agreed.rate_per_s is not None:
            assert sum(1 / each.interval_s for each in held) == pytest.approx(agreed.rate_per_s)


@given(links_of_hosts, st.integers(1, 20))
def test_each_link_has_one_task_and_tasks_have_as_many_as_lanes_allow(links: pl.Series, num_tasks: int) -> None:
    doubled = pl.concat([links, links])
    task_of, _ = plan_lanes(doubled, SETTINGS, num_tasks)
    assert task_of.dtype == pl.Int32
    assert task_of.is_between(0, num_tasks - 1).all()
    assert task_of.head(len(links)).equals(task_of.tail(len(links)))  # the same link, the same task
    loads = [Counter(task_of)[task] for task in range(num_tasks)]
    # Whoever has most got its last lane while it had fewest; a lane of a host that may be cut is about an eighth of it.
    largest_lane = max(_lane_sizes(doubled, num_tasks))
    assert max(loads) <= len(doubled) / num_tasks + largest_lane


def _lane_sizes(links: pl.Series, num_tasks: int) -> list[int]:
    """The most links that a lane of each host can have: all, for the few that may end up in one."""
    return list(Counter(url.split("/")[2].split(":")[0] for url in links).values())


def test_a_host_with_most_of_the_links_is_shared_by_tasks_evenly() -> None:
    links = pl.Series([f"http://big.example/{index}.jpg" for index in range(8_000)] + ["http://a.example/1.jpg"] * 80)
    task_of, lanes = plan_lanes(links, SETTINGS, 4)
    assert [shares["big.example"] for shares in lanes.shares] == [Fraction(1, 4)] * 4
    assert max(Counter(task_of).values()) < 1.15 * len(links) / 4
    assert LARGE_HOST_LANES == 8


def test_a_host_of_one_connection_stays_with_one_task_however_many_links_it_has() -> None:
    links = pl.Series([f"http://shy.example/{index}.jpg" for index in range(5_000)])
    task_of, lanes = plan_lanes(links, SETTINGS, 4)
    assert task_of.n_unique() == 1
    assert sum("shy.example" in shares for shares in lanes.shares) == 1


def test_few_links_are_not_worth_several_lanes() -> None:
    links = pl.Series([f"http://a.example/{index}.jpg" for index in range(MIN_LARGE_HOST_LINKS)])
    assert plan_lanes(links, SETTINGS, 8)[0].n_unique() == 1


def test_links_that_are_none_go_anywhere_and_count_for_no_host() -> None:
    links = pl.Series([None, "", "n/a", "ftp://a.example/1.jpg", "http://"] * 100, dtype=pl.String)
    task_of, lanes = plan_lanes(links, SETTINGS, 4)
    assert len(task_of) == 500
    assert lanes.shares == [{}, {}, {}, {}]


def test_a_host_reached_by_redirects_only_is_shared_by_all_tasks() -> None:
    _, lanes = plan_lanes(pl.Series(["http://a.example/1.jpg", "http://b.example/1.jpg"]), SETTINGS, 2)
    here = lanes.settings_of(0, SETTINGS)
    assert here.politeness.num_connections == 4
    assert here.politeness.interval_s == pytest.approx(0.2)
    assert here.host_limits["shy.example"].num_connections == 1
    assert here.host_limits["shy.example"].interval_s == pytest.approx(4.0)


def test_hosts_are_named_as_limits_name_them() -> None:
    links = pl.Series(
        ["http://BÜCHER.example:81/1.jpg", "https://xn--bcher-kva.example/2.jpg", "http://[::1]:80/3.jpg"]
    )
    _, lanes = plan_lanes(links, SETTINGS, 1)
    assert set(lanes.shares[0]) == {"xn--bcher-kva.example", "::1"}


def test_no_links_need_no_lanes_and_no_tasks_are_refused() -> None:
    task_of, _ = plan_lanes(pl.Series([], dtype=pl.String), SETTINGS, 3)
    assert task_of.is_empty()
    with pytest.raises(ValueError, match="at least one task, not 0"):
        plan_lanes(pl.Series(["http://a.example/1.jpg"]), SETTINGS, 0)
