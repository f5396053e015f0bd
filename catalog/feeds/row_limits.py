"""Row limits: a feed has no more rows than its file can hold products, nor more than so many deliveries.

The number of rows that a file declares costs nothing: 600 bytes of Parquet can stand for two hundred million rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from catalog.feeds.feed import FREE_ROWS, MAX_PARTS, MAX_ROWS_PER_BYTE, FeedBatch, FeedError


def refuse_rows(num_rows: int, num_file_bytes: int, name: str) -> None:
    """Raise `FeedError` for more rows than a file of this size, as it was delivered, can hold products."""
    most = FREE_ROWS + MAX_ROWS_PER_BYTE * num_file_bytes
    if num_rows > most:
        raise FeedError(
            f"{name}: more than {most:,} rows in {num_file_bytes:,} bytes, so they are no products; deliver a row for "
            "each product, with an id and a link of its own"
        )


def limited_rows(batches: Iterator[FeedBatch], num_file_bytes: int, max_rows: int, name: str) -> Iterator[FeedBatch]:
    """Yield the batches of a feed until there are more rows than its file warrants, or than its deliveries may have.

    Args:
        batches: The feed's batches in their order.
        num_file_bytes: The size of the file as it was delivered, compressed or not.
        max_rows: The most rows of one delivery; `MAX_PARTS` times as many are allowed.
        name: The feed's name in messages.

    Raises:
        FeedError: There are more rows.
    """
    num_rows = 0
    for batch in batches:
        num_rows += batch.rows.height + batch.rejected.height
        refuse_rows(num_rows, num_file_bytes, name)
        if num_rows > MAX_PARTS * max_rows:
            raise FeedError(
                f"{name}: more than {MAX_PARTS * max_rows:,} rows, {MAX_PARTS:,} deliveries of {max_rows:,}; deliver "
                "it as several feeds, or set max_delivery_rows higher"
            )
        yield batch
