"""Feed scan: polls the feeds that are due, and returns the result of each."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from catalog.feeds.deliveries import Delivery
from catalog.feeds.feed_access import FeedAccess
from catalog.feeds.sources import FeedFile, InboxError, UnreachableFeedError, UnsettledFeedError
from catalog.storage.files import StoreNotReadableError, StoreNotWritableError
from catalog_assets.ingestion.feed_polling import FeedPoller, Poll
from catalog_assets.ingestion.feed_records import register_feed
from catalog_assets.ingestion.found_feeds import FoundFeeds
from catalog_assets.ingestion.scan_settings import ScanSettings
from resources.store import Store

URL_INTERVAL = timedelta(minutes=5)  # between two requests to a partner's server
UNVERSIONED_INTERVAL = timedelta(hours=1)  # where the server reports no version, so that the whole feed is read
UNREACHABLE = "unreachable"  # the state of a feed that could not be reached


@dataclass(frozen=True, kw_only=True)
class PollResult:
    """The result of a poll of a feed."""

    name: str
    seen: str | None  # time of the poll's end (of URLs) and state of the feed; None: the next scan polls again
    deliveries: Sequence[Delivery] = ()
    problem: str = ""


_POLLER: FeedPoller[list[PollResult]] = FeedPoller()


def scan(store: Store, feeds: FoundFeeds, seen: Mapping[str, str], settings: ScanSettings) -> list[PollResult]:
    """Poll the feeds that are due, side by side, and return the results in the order of the feeds.

    A poll that takes longer than the scan is a problem of that feed, and its result is part of a later scan of this
    process.

    Args:
        seen: for each feed the time of the last poll, of URLs, and the state that it had.
    """
    due = _due(feeds, seen, settings.clock())
    polls = [
        Poll(
            name=f"{store.inbox}/{key}",
            run=partial(_poll, store, places, feeds, seen, settings),
            max_s=_max_poll_s(places, settings.access),
        )
        for key, places in due.items()
    ]
    ended = _POLLER.collect(polls, settings.max_scan_s)
    results = dict[str, PollResult]()
    for poll, places in zip(polls, due.values(), strict=True):
        if poll.name in ended:
            results |= {each.name: each for each in _results(places, ended[poll.name], settings)}
    return [results[place.name] for place in feeds.places if place.name in results]


def _due(feeds: FoundFeeds, seen: Mapping[str, str], now: datetime) -> dict[str, list[FeedFile]]:
    """Returns the feeds that are due, by the delivery that each would be; those that failed last come last."""
    due, order = dict[str, list[FeedFile]](), dict[str, tuple[bool, str]]()
    for place in feeds.places:
        scanned_at, _, former = seen.get(place.name, "").rpartition("|")
        interval = URL_INTERVAL if former else UNVERSIONED_INTERVAL
        # A poll in the future was at a clock that has gone back since.
        if scanned_at and timedelta(0) <= now - datetime.fromisoformat(scanned_at) < interval:
            continue
        try:
            key = place.key
            is_known = not place.is_url and former != "" and feeds.state(place, former) == former
        except InboxError:  # the poll has the reason
            key, is_known = place.name, False
        if not is_known:
            due.setdefault(key, []).append(place)
            order[key] = max(order.get(key, (False, "")), (former == UNREACHABLE, scanned_at))
    return {key: due[key] for key in sorted(due, key=order.__getitem__)}


def _max_poll_s(places: Sequence[FeedFile], access: FeedAccess) -> float | None:
    """Returns the seconds after which a poll of these feeds hangs; None where a feed of the inbox is among them."""
    if not all(place.is_url for place in places):
        return None
    return len(places) * 2 * (access.timeout_s + 4 * access.idle_s)  # as long again as fetching, for reading it


def _poll(
    store: Store, places: Sequence[FeedFile], feeds: FoundFeeds, seen: Mapping[str, str], settings: ScanSettings
) -> list[PollResult]:
    """Registers the feeds of one name, one after another."""
    return [_poll_one(store, place, feeds, seen.get(place.name, ""), settings) for place in places]


def _poll_one(store: Store, place: FeedFile, feeds: FoundFeeds, seen: str, settings: ScanSettings) -> PollResult:
    former = seen.rpartition("|")[2]
    state, problem, deliveries = UNREACHABLE, "", list[Delivery]()
    try:
        state = feeds.state(place, former)
        if not state or state != former:
            deliveries = register_feed(store, place, feeds, settings.max_rows, settings.clock)
    except UnsettledFeedError as error:
        if not place.is_url:  # not noted as seen, so that the next scan tries again
            return PollResult(name=place.name, seen=None, problem=str(error))
        state, problem = UNREACHABLE, str(error)
    except UnreachableFeedError as error:
        state, problem = UNREACHABLE, str(error)
    except InboxError as error:
        problem = str(error)
    # The time is that of the end: a poll that took minutes is not due at once again.
    noted = f"{settings.clock().isoformat()}|{state}" if place.is_url else state
    return PollResult(name=place.name, seen=noted, deliveries=deliveries, problem=problem)


def _results(
    places: Sequence[FeedFile], ended: "Future[list[PollResult]] | float", settings: ScanSettings
) -> list[PollResult]:
    """Returns the results of an ended poll, or a problem for one that is in progress or failed unforeseen."""
    if isinstance(ended, float):
        problem = f"has been read for {ended:.0f} s; it is registered when that is done"
        return [PollResult(name=each.name, seen=None, problem=f"feed {each.name} {problem}") for each in places]
    error = ended.exception()
    if error is None:
        return ended.result()
    if isinstance(error, StoreNotWritableError | StoreNotReadableError):  # that is no feed's fault
        raise error
    problem = f"cannot be registered: {type(error).__name__} {' '.join(str(error).split())[:300]}; report this error"
    noted = f"{settings.clock().isoformat()}|{UNREACHABLE}"
    return [PollResult(name=each.name, seen=noted, problem=f"feed {each.name} {problem}") for each in places]
