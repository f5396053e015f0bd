"""The statuses of downloads, and the table of outcomes."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from catalog.images.outcomes import OUTCOMES_SCHEMA, Outcome, health, is_reduced, outcomes_table
from catalog.images.statuses import Status


def outcome(product_id: str, status: Status) -> Outcome:
    return Outcome(
        product_id=product_id,
        image_url="http://shop.example/a.jpg",
        status=status,
        http_status=None,
        final_url=None,
        attempts=1,
        bytes=None,
        width=None,
        height=None,
        sha256=None,
        dhash=2**64 - 1,
        short_side_limit_px=None,
        shard=None,
        etag=None,
        last_modified=None,
        duration_ms=1.5,
        fetched_at=datetime(2024, 5, 1, tzinfo=UTC),
    )


def test_retryable_and_final_statuses_are_these() -> None:
    assert {status.value for status in Status if status.retryable} == {
        "timeout",
        "connect_error",
        "dns_error",
        "http_error",
        "host_refused",
        "host_paused",
        "internal_error",
    }
    assert {status.value for status in Status if not status.retryable} == {
        "ok",
        "invalid_url",
        "blocked_address",
        "gone",
        "redirected_home",
        "too_many_redirects",
        "not_an_image",
        "too_large",
        "too_small",
        "corrupt",
        "single_color",
        "disallowed",
    }


@pytest.mark.parametrize(
    ("size", "limit", "resolution", "expected"),
    [
        ((256, 341), 256, 300, True),
        ((256, 341), None, 300, True),  # stored before the limit was recorded
        ((240, 320), 256, 300, False),  # the original was smaller
        ((256, 256), 320, 300, False),  # likewise
        ((256, 341), 256, 256, False),
        ((None, None), None, 300, False),
    ],
)
def test_an_image_is_reduced_if_its_limit_was_below_the_resolution(
    size: tuple[int | None, int | None], limit: int | None, resolution: int, *, expected: bool
) -> None:
    status = Status.OK if size[0] else Status.GONE
    row = replace(outcome("a", status), width=size[0], height=size[1], short_side_limit_px=limit)
    assert outcomes_table([row]).select(is_reduced(resolution)).item() is expected


def test_table_has_a_column_for_every_field_and_fits_64_bits() -> None:
    table = outcomes_table([outcome("a", Status.OK)])
    assert table.schema == OUTCOMES_SCHEMA
    assert tuple(table.columns) == tuple(field.name for field in fields(Outcome))
    assert table["dhash"].item() == 2**64 - 1
    assert table["status"].item() == "ok"


def test_health_counts_every_outcome_once() -> None:
    statuses = [Status.OK] * 5 + [Status.GONE] * 2 + [Status.TIMEOUT]
    table = health(outcomes_table(outcome(str(index), status) for index, status in enumerate(statuses)))
    assert table.rows() == [("ok", False, 5, 0.625), ("gone", False, 2, 0.25), ("timeout", True, 1, 0.125)]


def test_health_of_nothing_is_empty() -> None:
    assert health(outcomes_table([])).is_empty()
