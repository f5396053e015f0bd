"""Feeds that are no deliveries yet, or of which a newer version is not registered: why, and what to do."""

import re
from collections.abc import Iterator, Mapping

from catalog.feeds.formats import expected_format
from catalog.feeds.inbox_entries import inbox_entries, printable
from catalog.feeds.sources import FeedFile, InboxError, public_url
from catalog.products.partners import PARTNERS_FILE, read_partners
from resources.store import Store
from shelfsight.cli.automation_state import FEEDS, Automation
from shelfsight.cli.waiting import WAIT, Waiting

REGISTER = "register"
NEXT_SCAN = "the next scan registers it"


def waiting_feeds(store: Store, automation: Automation) -> Iterator[Waiting]:
    """Yields the feeds of the inbox and at partners' URLs that are not registered as they are now."""
    stamps = {each.feed: each.stamp for each in store.deliveries(store.delivery_keys())}
    entries = inbox_entries(store.inbox)
    for name, refusal in entries.refused.items():
        fault, _, way_out = refusal.rpartition("; ")
        yield Waiting(delivery=name, stage=REGISTER, reason=fault, action=f"{way_out}; {NEXT_SCAN}")
    for file in entries.files:
        feed = FeedFile.in_inbox(file)
        reason = _refusal(feed) or _unregistered(feed, stamps, automation)
        if reason is not None:
            yield Waiting(delivery=printable(feed.name), stage=REGISTER, reason=reason[0], action=reason[1])
    yield from _misplaced(store)
    yield from _unfetched(store, stamps, automation)


def _refusal(feed: FeedFile) -> tuple[str, str] | None:
    """Returns why a file can never become a delivery as it is."""
    try:
        expected_format(feed.file_name)
        _ = feed.key
    except (InboxError, ValueError) as error:
        return str(error), f"correct that; {NEXT_SCAN}"
    return None


def _unregistered(feed: FeedFile, stamps: Mapping[str, str], automation: Automation) -> tuple[str, str] | None:
    """Returns why a feed that is new, or has changed since it was registered, is not registered."""
    stamp = feed.stamp()
    if feed.name in stamps and _version(stamps[feed.name]) == _version(stamp):
        return None
    if feed.stamp() != stamp:
        return "it is still changing", "wait; it is registered when it no longer changes"
    if problem := _problem_of_last_scan(feed.name, automation):
        return problem, f"correct that; {NEXT_SCAN}"
    state = "a newer version of it is not registered yet" if feed.name in stamps else "it is not registered yet"
    blocker = automation.blocker(FEEDS)
    return (f"{state}: {blocker[0]}", blocker[1]) if blocker else (f"{state}; {FEEDS} does so", WAIT)


def _version(stamp: str) -> str:
    """Returns the size and time of a local file, without the time that also a copy of the store changes."""
    local = re.fullmatch(r"(\d+:\d+):\d+", stamp)
    return local[1] if local else stamp


def _problem_of_last_scan(name: str, automation: Automation) -> str | None:
    """Returns what the last tick of the sensor reported of a feed."""
    sensor = automation.sensors.get(FEEDS)
    found = re.search(rf"feed {re.escape(name)} .*?(?=; feed |$)", sensor.skip_reason) if sensor else None
    return found[0] if found else None


def _misplaced(store: Store) -> Iterator[Waiting]:
    """Yields the files that lie in the inbox itself, where none is looked for."""
    if not store.inbox.exists():
        return
    for path in sorted(store.inbox.iterdir(), key=str):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            action = f"move it to {store.inbox}/PARTNER/, or use `shelfsight feed add {path} --partner PARTNER`"
            yield Waiting(
                delivery=printable(path.name), stage=REGISTER, reason="it is in no partner's folder", action=action
            )


def _unfetched(store: Store, stamps: Mapping[str, str], automation: Automation) -> Iterator[Waiting]:
    """Yields the partners' URLs of which no delivery exists; a problem of the settings is one of its own."""
    if not (store.reference / PARTNERS_FILE).exists():
        return
    try:
        urls = [public_url(url) for partner in read_partners(store.reference) for url in partner.feeds]
    except ValueError as error:
        yield Waiting(
            delivery=PARTNERS_FILE, stage=REGISTER, reason=str(error), action="correct that; the next scan reads it"
        )
        return
    for url in urls:
        if url in stamps:
            continue
        problem, blocker = _problem_of_last_scan(url, automation), automation.blocker(FEEDS)
        if problem:
            reason, action = problem, "correct that, or wait until the partner's server is back"
        elif blocker:
            reason, action = f"it is not fetched yet: {blocker[0]}", blocker[1]
        else:
            reason, action = f"it is not fetched yet; {FEEDS} does so", WAIT
        yield Waiting(delivery=url, stage=REGISTER, reason=reason, action=action)
