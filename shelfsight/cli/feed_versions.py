"""`shelfsight feed accept`, `versions` and `rollback`: a person's decisions about the versions of a feed."""

import getpass
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from catalog.feeds.deliveries import Delivery, feed_key, known_deliveries
from catalog.products.feed_verdicts import FeedVerdict, State
from catalog.products.feed_versions import FeedVersions, KeptVersion, restored_records
from resources.file_settings import near_names
from resources.settings import Settings
from resources.store import Store

NEXT = (
    "feed_sensor starts its runs within a minute while `shelfsight up` runs, or `shelfsight run` does; "
    "`shelfsight status` shows the progress"
)


def accept(settings: Settings, delivery: str) -> dict[str, Any]:
    """Lets the version of a feed through that is held back; a later version is judged anew.

    Raises:
        ValueError: there is no such delivery, or nothing of it is held back.
    """
    store, versions, known = _feed(settings, delivery)
    version = versions.id_of(known[0])
    verdict = versions.verdict(version)
    if (
        verdict is None
        or verdict.state not in ("held", "accepted")
        or _served_version(store, versions, known) == version
    ):
        state = "is not judged yet" if verdict is None else f"is {verdict.state}"
        way_out = f"; {verdict.way_out}" if verdict is not None and verdict.state == "withdrawn" else ""
        raise ValueError(f"version {version} of {versions.key!r} {state}, so there is nothing to accept{way_out}")
    now = datetime.now(UTC).isoformat()
    versions.save(replace(verdict, state="accepted", decided_by=_person(), decided_at=now))
    for each in known:
        replace(each, arrived_at=now).save(store.delivery_records)  # a new arrival, so that its runs are new ones
    versions.request(version)
    return {"delivery": versions.key, "accepted": version, "in place of": verdict.against or None, "next": NEXT}


def rollback(settings: Settings, delivery: str, to: str) -> dict[str, Any]:
    """Restores a kept version of a feed, by default the one before; the version that was served does not come back.

    Raises:
        ValueError: there is no such delivery or version, or deliveries of the version are not kept.
    """
    store, versions, known = _feed(settings, delivery)
    served = _served_version(store, versions, known)
    target = _target(versions, served, to)
    _refuse_incomplete(store, versions, target)
    now = datetime.now(UTC).isoformat()
    _decide(versions, target.records[0], "restored", now)
    if served:
        _decide(versions, versions.served(known[0].key), "withdrawn", now)
    registered = {each.key: each for each in known}
    for record in restored_records(target, known, now):
        former = registered[record.key]
        is_served = store.holds("products", record.key)
        if is_served and not former.ordered_at:
            versions.remember_served(former)
        ordered_at = versions.served(record.key).received_at if is_served else ""
        restored = replace(record, stamp=former.stamp, limits=former.limits, ordered_at=ordered_at)
        restored.save(store.delivery_records)
    versions.request(target.version)
    return {"delivery": versions.key, "restored": target.version, "in place of": served or None, "next": NEXT}


def versions(settings: Settings, delivery: str) -> list[dict[str, Any]]:
    """Returns the versions of a feed, the newest first: which is served, which are kept, and which are held back.

    Raises:
        ValueError: there is no such delivery.
    """
    store, found, known = _feed(settings, delivery)
    served, registered = _served_version(store, found, known), found.id_of(known[0])
    kept = {each.version: each.arrived_at for each in found.kept()}
    verdicts = {each.version: each for each in found.verdicts()}
    arrived = {registered: known[0].arrived_at or known[0].received_at} | kept
    if served and served not in arrived:
        arrived[served] = found.served(known[0].key).received_at
    rows = [
        {
            "version": version,
            "arrived at": arrived.get(version) or verdicts[version].judged_at,
            "served": version == served,
            "can be restored": version in kept and version != served,
            "verdict": verdicts[version].state if version in verdicts else "",
            "by": verdicts[version].decided_by if version in verdicts else "",
            "why": "; ".join(verdicts[version].findings) if version in verdicts else "",
        }
        for version in {*arrived, *verdicts}
    ]
    return sorted(rows, key=lambda row: str(row["arrived at"]), reverse=True)


def _feed(settings: Settings, delivery: str) -> tuple[Store, FeedVersions, list[Delivery]]:
    """Returns the store, the versions of the delivery's feed, and the records of all deliveries of the feed."""
    store = Store.of(settings)
    found = store.feed_versions(delivery)
    known = known_deliveries(store.delivery_records, found.key) if "/" not in delivery else []
    if not known:
        feeds = sorted({feed_key(key) for key in store.delivery_keys()})
        near = near_names(delivery, feeds) or feeds[:5]
        raise ValueError(f"there is no delivery {delivery!r}; there are {', '.join(near) or 'none'}")
    return store, found, known


def _served_version(store: Store, versions: FeedVersions, known: Sequence[Delivery]) -> str:
    """Returns the version that is served; empty where none is."""
    held = [each.key for each in known if store.holds("products", each.key)]
    return versions.id_of(versions.served(held[0])) if held else ""


def _target(versions: FeedVersions, served: str, to: str) -> KeptVersion:
    """Returns the kept version that is meant, by the start of its name."""
    kept = [each for each in versions.kept() if each.version != served]
    if not kept:
        raise ValueError(
            f"no former version of {versions.key!r} is kept; versions are kept from the next delivery on, "
            "as many as gate.kept_versions says"
        )
    if to:
        found = [each for each in kept if each.version.startswith(to)]
    else:
        withdrawn = {each.version for each in versions.verdicts() if each.state == "withdrawn"}
        found = [each for each in kept if each.version not in withdrawn][:1]
    if len(found) != 1:
        which = f"version {to!r}" if to else "a version that was not rolled back"
        names = ", ".join(each.version for each in kept)
        raise ValueError(f"{which} of {versions.key!r} is not among the kept ones, {names}; name one of them with --to")
    return found[0]


def _refuse_incomplete(store: Store, versions: FeedVersions, target: KeptVersion) -> None:
    """Raises ValueError where deliveries of the version are neither kept nor served."""
    kept = {each.key for each in target.records}
    known = known_deliveries(store.delivery_records, versions.key)
    served = [each.key for each in known if each.key not in kept and store.holds("products", each.key)]
    num_served = sum(versions.id_of(versions.served(key)) == target.version for key in served)
    if target.num_missing > num_served:
        missing = target.num_missing - num_served
        raise ValueError(
            f"{missing} deliveries of version {target.version} of {versions.key!r} are not kept, so that it would "
            "remove their products; choose another version, or deliver the feed of that time again"
        )


def _decide(versions: FeedVersions, record: Delivery, state: State, now: str) -> None:
    """Keeps a person's verdict about the version of a record."""
    version = versions.id_of(record)
    known = versions.verdict(version) or FeedVerdict(
        feed=record.feed,
        feed_key=versions.key,
        version=version,
        sha256=record.sha256,
        state=state,
        judged_at=now,
    )
    versions.save(replace(known, state=state, decided_by=_person(), decided_at=now))


def _person() -> str:
    """Returns the name of the user of this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"user {os.getuid()}"
