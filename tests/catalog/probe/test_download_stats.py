"""Outcomes are counted as a plain loop counts them; and the plots are images."""

from io import BytesIO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from catalog.images.statuses import Status
from catalog.probe.download_stats import (
    OUTCOME_GROUPS,
    by_host,
    by_partner,
    by_published_group,
    count_outcomes,
    outcome_group,
)
from catalog.probe.estimates import shares
from catalog.probe.plots import draw_outcomes, draw_rates, draw_times
from catalog.probe.published_rates import beside_published, published_group

ENDS = st.lists(
    st.tuples(
        st.sampled_from(["hansen", "meier"]),
        st.sampled_from(["http://a.example/1.jpg", "http://b.example:81/2.jpg", "n/a", None]),
        st.sampled_from(list(Status)),
        st.integers(1, 1_000),
    ),
    min_size=1,
)
End = tuple[str, str | None, Status, int]


def outcomes(ends: list[End]) -> pl.DataFrame:
    rows = [
        (f"{partner}:a:{index}", url, status.value, size if status is Status.OK else None, 10.0 * size)
        for index, (partner, url, status, size) in enumerate(ends)
    ]
    return pl.DataFrame(
        rows,
        schema={
            "product_id": pl.String,
            "image_url": pl.String,
            "status": pl.String,
            "bytes": pl.Int64,
            "duration_ms": pl.Float64,
        },
        orient="row",
    )


def test_every_status_has_an_outcome_group() -> None:
    groups = dict(pl.DataFrame({"status": [status.value for status in Status]}).with_columns(outcome_group()).rows())
    assert set(groups.values()) == set(OUTCOME_GROUPS)
    assert all((group == "retryable") == Status(status).retryable for status, group in groups.items())
    assert groups["gone"] == groups["redirected_home"] == "gone"
    assert groups["corrupt"] == groups["disallowed"] == "no usable image"


@given(ENDS)
def test_counts_are_those_of_a_plain_loop(ends: list[End]) -> None:
    counted = count_outcomes(outcomes(ends).lazy())
    assert counted["num"].sum() == len(ends)
    assert counted["bytes"].sum() == sum(size for _, _, status, size in ends if status is Status.OK)
    for partner, group, num, share in by_partner(counted).iter_rows():
        of_partner = [end for end in ends if end[0] == partner]
        groups = pl.DataFrame({"status": [end[2].value for end in of_partner]}).select(outcome_group()).to_series()
        assert num == (groups == group).sum()
        assert share == pytest.approx(num / len(of_partner))
    for host, links, images, refused, retryable, mean_s, _ in by_host(counted).iter_rows():
        at_host = [end for end in ends if end[1] is not None and f"//{host}/" in end[1]]
        assert links == len(at_host)
        assert images == sum(end[2] is Status.OK for end in at_host)
        assert refused == sum(end[2].value in {"host_refused", "host_paused", "disallowed"} for end in at_host)
        assert retryable == sum(end[2].retryable for end in at_host)
        assert mean_s == pytest.approx(sum(end[3] for end in at_host) / 100 / len(at_host))
    invalid, lost = beside_published(by_published_group(counted)).rows()
    assert invalid == ("invalid link", sum(end[2] is Status.INVALID_URL for end in ends), invalid[2], 0.01)
    assert lost[1] == sum(end[2] not in {Status.OK, Status.INVALID_URL} for end in ends)


def size_of(png: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(png)) as image:
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 10  # something is drawn
        return image.size


def test_plots_are_drawn_and_grow_with_their_rows() -> None:
    counted = count_outcomes(outcomes([("hansen", "http://a.example/1", status, 5) for status in Status]).lazy())
    one = size_of(draw_outcomes(by_partner(counted)))
    more = pl.concat([counted, counted.with_columns(partner=pl.lit("meier"))])
    assert size_of(draw_outcomes(by_partner(more)))[1] > one[1]

    rows = pl.DataFrame(
        {"stratum": "a", "stratum_size": 100, "status": ["ok", "ok", "gone", "timeout", "invalid_url", "corrupt"]}
    )
    groups = shares(rows.with_columns(published_group()), of="group")
    assert size_of(draw_rates(groups, shares(rows)))[0] > 300
    times = pl.DataFrame({"shop": ["a.example", "b" * 90], "seconds": [90_000.0, 3_600.0]})
    assert size_of(draw_times(times, {"2 cores": 40_000.0}))[0] > 300
    assert size_of(draw_times(times.clear(), {}))[0] > 300
