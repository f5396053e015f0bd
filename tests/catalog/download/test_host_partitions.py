"""Host partitions: each in one task, and all tasks together within the limits of every host."""

from collections import Counter, defaultdict
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.download.host_limiter import Politeness
from catalog.download.host_partitions import LARGE_HOST_PARTITIONS, MIN_LARGE_HOST_LINKS, plan_host_partitions
from catalog.download.settings import FetchSettings

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
            f"http://{host}{port}/{position}-{number}.jpg"
            for position, (host, port, num) in enumerate(parts)
            for number in range(num)
        ]
    )
)


@settings(deadline=None)
@given(links_of_hosts, st.integers(1, 20))
def test_all_tasks_together_keep_to_the_limits_of_every_host(links: pl.Series, num_tasks: int) -> None:
    task_of, partitions = plan_host_partitions(links, SETTINGS, num_tasks)
    tasks_of = defaultdict(set)
    for task, url in zip(task_of, links, strict=True):
        tasks_of[url.split("/")[2].split(":")[0]].add(task)
    for host, tasks in tasks_of.items():
        allowed = SETTINGS.host_limits.get(host, SETTINGS.politeness)
        limits = [partitions.settings_of(task, SETTINGS).host_limits[host] for task in tasks]
        assert sum(limit.num_connections for limit in limits) <= allowed.max_connections
        assert sum(limit.share for limit in limits) == 1
        if allowed.rate_per_s is not None:
            assert sum(1 / limit.interval_s for limit in limits) == pytest.approx(allowed.rate_per_s)


@settings(deadline=None)
@given(links_of_hosts, st.integers(1, 20))
def test_each_link_has_one_task_and_tasks_are_balanced(links: pl.Series, num_tasks: int) -> None:
    doubled = pl.concat([links, links])
    task_of, _ = plan_host_partitions(doubled, SETTINGS, num_tasks)
    assert task_of.dtype == pl.Int32
    assert task_of.is_between(0, num_tasks - 1).all()
    assert task_of.head(len(links)).equals(task_of.tail(len(links)))  # the same link, the same task
    loads = [Counter(task_of)[task] for task in range(num_tasks)]
    # The task with the most links got its last partition while it had the fewest.
    assert max(loads) <= len(doubled) / num_tasks + max(_host_sizes(doubled))


def _host_sizes(links: pl.Series) -> list[int]:
    """The links of each host: the most that one of its partitions can have."""
    return list(Counter(url.split("/")[2].split(":")[0] for url in links).values())


def test_host_with_most_of_the_links_is_shared_by_tasks_evenly() -> None:
    links = pl.Series([f"http://big.example/{index}.jpg" for index in range(8_000)] + ["http://a.example/1.jpg"] * 80)
    task_of, partitions = plan_host_partitions(links, SETTINGS, 4)
    assert [shares["big.example"] for shares in partitions.shares] == [Fraction(1, 4)] * 4
    assert max(Counter(task_of).values()) < 1.15 * len(links) / 4
    assert LARGE_HOST_PARTITIONS == 8


def test_host_of_one_connection_stays_with_one_task() -> None:
    links = pl.Series([f"http://shy.example/{index}.jpg" for index in range(5_000)])
    task_of, partitions = plan_host_partitions(links, SETTINGS, 4)
    assert task_of.n_unique() == 1
    assert sum("shy.example" in shares for shares in partitions.shares) == 1


def test_few_links_stay_in_one_partition() -> None:
    links = pl.Series([f"http://a.example/{index}.jpg" for index in range(MIN_LARGE_HOST_LINKS)])
    assert plan_host_partitions(links, SETTINGS, 8)[0].n_unique() == 1


def test_invalid_links_go_anywhere_and_count_for_no_host() -> None:
    links = pl.Series([None, "", "n/a", "ftp://a.example/1.jpg", "http://"] * 100, dtype=pl.String)
    task_of, partitions = plan_host_partitions(links, SETTINGS, 4)
    assert len(task_of) == 500
    assert partitions.shares == [{}, {}, {}, {}]


def test_host_reached_only_by_redirects_is_shared_by_all_tasks() -> None:
    _, partitions = plan_host_partitions(pl.Series(["http://a.example/1.jpg", "http://b.example/1.jpg"]), SETTINGS, 2)
    limits = partitions.settings_of(0, SETTINGS)
    assert limits.politeness.num_connections == 4
    assert limits.politeness.interval_s == pytest.approx(0.2)
    assert limits.host_limits["shy.example"].num_connections == 1
    assert limits.host_limits["shy.example"].interval_s == pytest.approx(4.0)


def test_hosts_are_named_as_limits_name_them() -> None:
    links = pl.Series(
        ["http://BÜCHER.example:81/1.jpg", "https://xn--bcher-kva.example/2.jpg", "http://[::1]:80/3.jpg"]
    )
    _, partitions = plan_host_partitions(links, SETTINGS, 1)
    assert set(partitions.shares[0]) == {"xn--bcher-kva.example", "::1"}


def test_no_links_need_no_partition_and_no_tasks_are_refused() -> None:
    task_of, _ = plan_host_partitions(pl.Series([], dtype=pl.String), SETTINGS, 3)
    assert task_of.is_empty()
    with pytest.raises(ValueError, match="at least one task, not 0"):
        plan_host_partitions(pl.Series(["http://a.example/1.jpg"]), SETTINGS, 0)
