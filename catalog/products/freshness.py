"""Freshness of feeds: the age of each partner's newest feed beside the age that is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from catalog.feeds.deliveries import Delivery, feed_key
from catalog.products.partners import PartnerSettings

FRESHNESS_SCHEMA = pl.Schema(
    {
        "partner_id": pl.String(),
        "num_feeds": pl.Int64(),
        "received_at": pl.Datetime("us", "UTC"),
        "age_days": pl.Float64(),
        "max_age_days": pl.Float64(),
        "is_late": pl.Boolean(),
    }
)


def feed_freshness(
    partners: Sequence[PartnerSettings], deliveries: Sequence[Delivery], *, max_age_days: float, now: datetime
) -> pl.DataFrame:
    """Returns one row of `FRESHNESS_SCHEMA` for each partner, the oldest newest feed first.

    Each partner is compared with its own limit, so that one partner's daily feed does not hide another's silence. A
    feed counts when its content is new. A partner that has never delivered is not late, and neither is a golden one,
    whose products do not change, unless its settings give it a limit.

    Args:
        partners: all partners.
        deliveries: all registered deliveries.
        max_age_days: limit of partners whose settings name none.
        now: time that ages are measured to, with a time zone.
    """
    rows = []
    for partner in partners:
        own = [delivery for delivery in deliveries if delivery.partner_id == partner.partner_id]
        received_at = max((datetime.fromisoformat(delivery.received_at) for delivery in own), default=None)
        limit = partner.max_feed_age_days
        if limit is None and not partner.golden:
            limit = max_age_days
        age_days = (now - received_at) / timedelta(days=1) if received_at is not None else None
        rows.append(
            {
                "partner_id": partner.partner_id,
                "num_feeds": len({feed_key(delivery.key) for delivery in own}),
                "received_at": received_at,
                "age_days": age_days,
                "max_age_days": limit,
                "is_late": age_days is not None and limit is not None and age_days > limit,
            }
        )
    return pl.DataFrame(rows, schema=FRESHNESS_SCHEMA).sort("received_at", nulls_last=True)
