"""Feeds behind URLs: registered as those of the inbox, without their secrets."""

from collections.abc import Iterator
from typing import Any

import pytest

from catalog.feeds.delivery_rows import ChangedFeedError
from catalog.feeds.feed_access import FeedAccess
from catalog.feeds.sources import FeedFile, InboxError
from tests.catalog.feeds.reading import WRITERS
from tests.catalog.feeds.registering import ROWS, SUFFIXES, parsed, registered

LOOPBACK = FeedAccess(allowed_networks=("127.0.0.1/32",))


@pytest.fixture
def memory() -> Iterator[Any]:
    from fsspec.implementations.memory import MemoryFileSystem

    filesystem = MemoryFileSystem()
    yield filesystem
    filesystem.store.clear()


@pytest.mark.parametrize("feed_format", SUFFIXES)
def test_a_feed_behind_a_url_is_a_delivery_like_any_other(memory: Any, feed_format: str) -> None:
    name = f"spring.{SUFFIXES[feed_format]}"
    memory.pipe(f"/feeds/{name}", WRITERS[feed_format](ROWS))
    feed = FeedFile.at_url("hansen", f"memory://feeds/{name}")
    deliveries = registered(feed, 4)
    assert [each.key for each in deliveries] == ["hansen.spring.00001", "hansen.spring.00002"]
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    memory.pipe(f"/feeds/{name}", WRITERS[feed_format](ROWS[:4]))
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    (delivery,) = registered(feed, 4)
    memory.pipe(f"/feeds/{name}", WRITERS[feed_format](ROWS[:3]))
    with pytest.raises(ChangedFeedError):
        parsed(feed, delivery)


def test_secrets_of_a_url_are_in_no_record_and_no_message() -> None:
    feed = FeedFile.at_url("hansen", "https://me:secret@127.0.0.1:9/spring.tsv?token=secret", LOOPBACK)
    assert feed.name == "https://127.0.0.1:9/spring.tsv"
    assert "secret" not in repr(feed)
    with pytest.raises(InboxError, match=r"127\.0\.0\.1:9/spring\.tsv cannot be reached") as refused:
        registered(feed)
    assert "secret" not in str(refused.value)


def test_an_unknown_file_system_is_named() -> None:
    with pytest.raises(InboxError, match="nowhere"):
        FeedFile.at_url("hansen", "nowhere://spring.tsv")
