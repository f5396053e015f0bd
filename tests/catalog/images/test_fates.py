"""What became of all links, counted against a plain loop; and the plots are pictures."""

from io import BytesIO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from catalog.images.estimates import published_group, shares
from catalog.images.fates import FATES, beside_published, by_partner, counts, fate_of, hosts
from catalog.images.outcome_plots import draw_fates, draw_rates, draw_times
from catalog.images.statuses import Status

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


def test_every_status_has_a_fate() -> None:
    told = pl.DataFrame({"status": [status.value for status in Status]}).with_columns(fate_of("status"))
    fates = dict(told.iter_rows())
    assert set(fates.values()) == set(FATES)
    assert all((fate == "worth another try") == Status(status).retryable for status, fate in fates.items())
    assert fates["gone"] == fates["redirected_home"] == "gone"
    assert fates["corrupt"] == fates["disallowed"] == "no usable picture"


@given(ENDS)
def test_counts_are_those_of_a_plain_loop(ends: list[End]) -> None:
    counted = counts(outcomes(ends).lazy())
    assert counted["num"].sum() == len(ends)
    assert counted["bytes"].sum() == sum(size for _, _, status, size in ends if status is Status.OK)
    for partner, fate, num, share in by_partner(counted).iter_rows():
        of_partner = [end for end in ends if end[0] == partner]
        told = pl.DataFrame({"status": [end[2].value for end in of_partner]}).select(fate_of("status"))["fate"]
        assert num == (told == fate).sum()
        assert share == pytest.approx(num / len(of_partner))
    for host, links, pictures, refused, retryable, mean_s, _ in hosts(counted).iter_rows():
        at_host = [end for end in ends if end[1] is not None and f"//{host}/" in end[1]]
        assert links == len(at_host)
        assert pictures == sum(end[2] is Status.OK for end in at_host)
        assert refused == sum(end[2].value in {"host_refused", "host_paused", "disallowed"} for end in at_host)
        assert retryable == sum(end[2].retryable for end in at_host)
        assert mean_s == pytest.approx(sum(end[3] for end in at_host) / 100 / len(at_host))
    invalid, lost = beside_published(counted).rows()
    assert invalid == ("invalid link", sum(end[2] is Status.INVALID_URL for end in ends), invalid[2], 0.01)
    assert lost[1] == sum(end[2] not in {Status.OK, Status.INVALID_URL} for end in ends)


def size_of(png: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(png)) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 10  # something is drawn
        return picture.size


def test_the_plots_are_drawn_and_grow_with_what_they_show() -> None:
    counted = counts(outcomes([("hansen", "http://a.example/1", status, 5) for status in Status]).lazy())
    one = size_of(draw_fates(by_partner(counted)))
    more = pl.concat([counted, counted.with_columns(partner=pl.lit("meier"))])
    assert size_of(draw_fates(by_partner(more)))[1] > one[1]

    rows = pl.DataFrame(
        {"stratum": "a", "stratum_size": 100, "status": ["ok", "ok", "gone", "timeout", "invalid_url", "corrupt"]}
    )
    groups = shares(rows.with_columns(published_group()), of="group")
    assert size_of(draw_rates(groups, shares(rows)))[0] > 300
    times = pl.DataFrame({"shop": ["a.example", "b" * 90], "seconds": [90_000.0, 3_600.0]})
    assert size_of(draw_times(times, {"2 cores": 40_000.0}))[0] > 300
    assert size_of(draw_times(times.clear(), {}))[0] > 300
