"""Forecast and recommendation: fixed rules over probes of known figures."""

from dataclasses import replace

import polars as pl
import pytest

from catalog.download.host_limiter import Politeness
from catalog.download.settings import FetchSettings
from catalog.probe.forecast import Forecast, forecast
from catalog.probe.probing import Probed
from catalog.probe.recommendation import Recommendation, Rules, duration, recommend
from catalog.probe.sampling import NO_HOST, OTHER_HOSTS

SETTINGS = FetchSettings(max_connections=100, politeness=Politeness(max_connections=8))


def links(
    num_links: int,
    *statuses: str,
    shop: str = "shop.example",
    partner: str = "hansen",
    mean_s: float = 0.1,
) -> pl.DataFrame:
    """A stratum of `num_links` links, of which a sample has these statuses."""
    return pl.DataFrame(
        {
            "partner_id": partner,
            "shop": shop,
            "stratum": f"{partner}: {shop}",
            "stratum_size": num_links,
            "weight": num_links / len(statuses),
            "status": statuses,
            "bytes_fetched": [10_000 * (status == "ok") for status in statuses],
            "duration_ms": 1000.0 * mean_s * (shop != NO_HOST),
        }
    )


def expected(*strata: pl.DataFrame, settings: FetchSettings = SETTINGS, **costs: float) -> Forecast:
    probed = Probed(
        rows=pl.concat(strata), **{"client_ms": 0.5, "process_ms": 0.8, "decode_ms": 3.0, "pace_ms": 1.0, **costs}
    )
    return forecast(probed, settings, num_cores=2)


def advised(*strata: pl.DataFrame, settings: FetchSettings = SETTINGS, **costs: float) -> Recommendation:
    return recommend(pl.concat(strata), expected(*strata, settings=settings, **costs), settings, Rules())


WELL = ["ok"] * 90 + ["gone"] * 8 + ["timeout"] * 2
NOTHING_REFUSED = links(1_000_000, *WELL)


def bounds(found: Forecast) -> dict[str, float]:
    return {bound.kind: bound.seconds for bound in found.bounds}


def test_one_host_is_bound_by_its_own_connections() -> None:
    found = expected(NOTHING_REFUSED)
    assert bounds(found) == pytest.approx(
        {
            "host_connections": 1_000_000 * 0.1 / 8,
            "connections": 1_000_000 * 0.1 / 100,
            "cores": (900_000 * 0.003 + 1_000_000 * 0.0008) / 2,
            "client": 500,
        }
    )
    assert found.binding.kind == "host_connections"
    assert found.binding.words == "shop.example at 8 connections"


def test_rate_limit_binds_where_it_is_slower_than_the_connections() -> None:
    limited = replace(SETTINGS, politeness=Politeness(max_connections=8, rate_per_s=2))
    found = expected(NOTHING_REFUSED, settings=limited)
    assert (found.binding.kind, found.seconds) == ("host_rate", pytest.approx(500_000))
    assert found.binding.words == "shop.example at 2 requests a second"


def test_limits_of_a_host_hold_at_any_port() -> None:
    agreed = {"a.example": Politeness(max_connections=2), "2001:db8::1": Politeness(rate_per_s=1)}
    strata = [links(1_000, *WELL, shop=shop) for shop in ("a.example:8080", "[2001:db8::1]:81", "b.example")]
    found = expected(*strata, settings=replace(SETTINGS, host_limits=agreed))
    times = {row["shop"]: (row["bound_by"], row["seconds"]) for row in found.hosts.iter_rows(named=True)}
    assert times == {
        "a.example:8080": ("host_connections", pytest.approx(50)),
        "[2001:db8::1]:81": ("host_rate", pytest.approx(1_000)),
        "b.example": ("host_connections", pytest.approx(12.5)),
    }


def test_many_hosts_are_bound_by_the_machine() -> None:
    crowd = [links(10_000, *WELL, shop=f"shop{index}.example") for index in range(100)]
    assert expected(*crowd).binding.kind == "cores"
    assert expected(*crowd, decode_ms=0.1, client_ms=5.0).binding.kind == "client"
    slow = [stratum.with_columns(duration_ms=8_000.0) for stratum in crowd]
    few = replace(SETTINGS, max_connections=20)
    assert expected(*slow, settings=few).binding.kind == "connections"


def test_pace_of_a_long_probe_is_a_bound() -> None:
    crowd = [links(10_000, *WELL, shop=f"shop{index}.example") for index in range(10)]
    assert expected(*crowd, pace_ms=9.0).binding.kind == "pace"
    assert expected(*crowd, pace_ms=9.0).seconds == pytest.approx(900)
    assert "pace" not in bounds(expected(*crowd[:9], pace_ms=9.0))


def test_links_without_a_host_take_no_time_and_small_hosts_do_not_bind() -> None:
    found = expected(
        NOTHING_REFUSED,
        links(1_000, *["invalid_url"] * 5, shop=NO_HOST),
        links(9_000_000, *WELL, shop=OTHER_HOSTS),
    )
    assert found.links == 10_001_000
    assert set(found.hosts["shop"]) == {"shop.example", OTHER_HOSTS}
    assert bounds(found)["host_connections"] == pytest.approx(12_500)
    assert bounds(found)["connections"] == pytest.approx(10_000_000 * 0.1 / 100)


def test_healthy_catalog_may_start() -> None:
    assert advised(NOTHING_REFUSED) == Recommendation("go", ())
    assert advised(NOTHING_REFUSED).markdown().strip() == "**Go.**"


def test_large_host_that_refuses_everything_stops_the_download() -> None:
    found = advised(NOTHING_REFUSED, links(100_000, *["host_refused"] * 20, *["host_paused"] * 5, shop="no.example"))
    assert found.verdict == "do not start"
    assert found.markdown().splitlines()[2] == (
        "- no.example refuses everything: host_refused 20, host_paused 5 of 25 sampled links; 9.1 % of all links are "
        "at this host. Ask its owner, and set a contact for questions (`SHELFSIGHT_CONTACT`)."
    )


def test_small_host_that_refuses_everything_is_named_only() -> None:
    found = advised(NOTHING_REFUSED, links(1_000, *["host_refused"] * 20, shop="no.example"))
    assert found.verdict == "go, but"
    assert [advice.topic for advice in found.advice] == ["closed_host"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("disallowed", "forbids it in its robots.txt"),
        ("connect_error", "does not serve"),
        ("timeout", "does not serve"),
    ],
)
def test_closed_host_is_described_by_its_refusals(status: str, words: str) -> None:
    (advice,) = advised(NOTHING_REFUSED, links(1_000, *[status] * 20, "host_paused", shop="no.example")).advice
    assert f"no.example {words}" in advice.words


def test_host_with_too_few_sampled_links_gets_no_advice() -> None:
    assert advised(NOTHING_REFUSED, links(4, *["host_refused"] * 4, shop="no.example")).verdict == "go"


def test_host_that_refuses_some_links_gets_fewer_connections() -> None:
    strained = links(1_000, *["ok"] * 80, *["host_refused"] * 20)
    (advice,) = advised(strained).advice
    assert advice.topic == "fewer_connections"
    assert advice.words == (
        "Reduce the load on shop.example: it refused 20 % at 8 connections; "
        "try max_connections = 4 for it in hosts.toml."
    )
    one = replace(SETTINGS, politeness=Politeness(max_connections=1))
    (advice,) = advised(strained, settings=one).advice
    assert advice.words.endswith("try a rate_per_s for it in hosts.toml.")


def test_slow_host_is_named() -> None:
    (advice,) = advised(links(1_000, *WELL, mean_s=4.5)).advice
    assert advice.topic == "slow_host"
    assert "4.5 s per link" in advice.words


def test_partner_far_beyond_the_published_losses_is_named() -> None:
    dead = links(1_000, *["ok"] * 60, *["gone"] * 40, partner="meier")
    (advice,) = advised(NOTHING_REFUSED, dead).advice
    assert advice.topic == "ask_partner"
    assert advice.words.startswith("Ask partner meier for a newer feed: 40 % of its links (")
    assert advice.words.endswith("lead to no image any more; the published rate is 12 %.")
    broken = links(1_000, *["invalid_url"] * 30, shop=NO_HOST, partner="meier")
    (advice,) = advised(NOTHING_REFUSED, broken).advice
    assert "100 % of its links" in advice.words
    assert "are not valid links" in advice.words


def test_partner_whose_losses_may_be_chance_gets_no_advice() -> None:
    assert advised(NOTHING_REFUSED, links(1_000, *["ok"] * 7, *["gone"] * 3, partner="meier")).verdict == "go"


def test_long_download_bound_by_cores_needs_more_machines() -> None:
    crowd = [links(1_000_000, *WELL, shop=f"shop{index}.example", mean_s=0.05) for index in range(360)]
    (advice,) = advised(*crowd).advice
    assert advice.topic == "machines"
    assert advice.words.startswith("Use 4 machines: on this one it takes 7.3 days, bound by decoding")


def test_long_download_bound_by_one_host_needs_its_owner_s_consent() -> None:
    (advice,) = advised(links(36_000_000, *WELL)).advice
    assert advice.topic == "more_connections"
    assert advice.words.startswith("Ask the owner of shop.example for 24 connections: the whole takes 5.2 days")


def test_long_download_bound_by_connections_needs_more_of_them() -> None:
    crowd = [links(1_000_000, *WELL, shop=f"shop{index}.example", mean_s=1.0) for index in range(40)]
    (advice,) = advised(*crowd).advice
    assert advice.topic == "max_connections"
    assert advice.words.startswith("Raise max_connections to 300")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.51, "0.5 s"), (119, "119.0 s"), (120, "2.0 min"), (9_000, "2.5 h"), (864_000, "10.0 days")],
)
def test_duration_is_formatted_in_a_fitting_unit(seconds: float, words: str) -> None:
    assert duration(seconds) == words
