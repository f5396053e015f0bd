"""Registered deliveries as records, for tests that need no feed file."""

from datetime import datetime

from catalog.feeds.deliveries import Delivery


def registered(key: str, received_at: datetime) -> Delivery:
    """The record of a delivery that was registered at a time; its partner is the first part of the key."""
    return Delivery(
        key=key,
        partner_id=key.split(".", maxsplit=1)[0],
        feed=f"{key}.tsv",
        feed_format="google_tsv",
        sha256="b" * 64,
        num_bytes=1,
        received_at=received_at.isoformat(),
    )
