"""Feed versions: the verdict about each version of a feed, and the tables of former ones until their retention ends.

::

    feed_versions/FEED/VERSION/verdict.json
    feed_versions/FEED/VERSION/delivery=KEY/record.json, products.parquet, rejected.parquet
    feed_versions/requests/FEED.json        a decision of a person that no run has carried out yet
    deliveries/served/KEY.json              the record of the version that is served, while a newer one is registered
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from upath import UPath

from catalog.feeds.deliveries import Delivery, Part, feed_key, known_deliveries
from catalog.products.feed_verdicts import FeedVerdict
from catalog.storage.commits import ConflictError, commit
from catalog.storage.durable import make_folder, sync_folder
from catalog.storage.files import is_remote, read_if_exists, replace_file, wrap_os_errors

FOLDER = "feed_versions"
SERVED = "served"  # folder below the delivery records
MAX_VERDICTS = 50  # of a feed that are kept without tables
_REQUESTS = "requests"
_RECORD, _VERDICT = "record.json", "verdict.json"
_TABLES = ("products", "rejected")


@dataclass(frozen=True, kw_only=True)
class KeptVersion:
    """A former version of a feed whose tables are kept, by the records of its deliveries."""

    version: str
    records: tuple[Delivery, ...]

    @property
    def arrived_at(self) -> str:
        """When it arrived."""
        return max(each.arrived_at or each.received_at for each in self.records)

    @property
    def num_missing(self) -> int:
        """Deliveries of the version whose tables are not kept."""
        parts = [each.part for each in self.records if not each.is_superseded]
        return max((part.num_parts for part in parts), default=0) - len(parts)


@dataclass(frozen=True)
class FeedVersions:
    """The versions of one feed in the store at `root`."""

    root: UPath
    key: str  # of the feed

    @classmethod
    def of(cls, root: UPath, delivery_key: str) -> FeedVersions:
        """Return the versions of the feed that a delivery is, or is a part of."""
        return cls(root, feed_key(delivery_key))

    @property
    def folder(self) -> UPath:
        """The folder of the feed's versions."""
        return self.root / FOLDER / self.key

    @property
    def _records(self) -> UPath:
        return self.root / "deliveries"

    # -- verdicts -------------------------------------------------------------------------------------------------

    @staticmethod
    def id_of(delivery: Delivery) -> str:
        """Return the version of the feed of which the delivery is a part: 12 hexadecimal digits of its content."""
        return hashlib.sha256(delivery.content.encode()).hexdigest()[:12]

    def verdict(self, version: str) -> FeedVerdict | None:
        """Return the verdict about a version; None where there is none yet."""
        document = read_if_exists(self.folder / version / _VERDICT)
        return FeedVerdict.of_json(document) if document is not None else None

    def save(self, verdict: FeedVerdict) -> None:
        """Keep a verdict, in place of the former one about its version."""
        with replace_file(self.folder / verdict.version / _VERDICT) as file:
            file.write(verdict.to_json())

    def verdicts(self) -> list[FeedVerdict]:
        """Return all verdicts, the newest first."""
        found = [self.verdict(name) for name in self._names()]
        return sorted((each for each in found if each is not None), key=lambda each: each.judged_at, reverse=True)

    def withdrawn(self, sha256: str) -> FeedVerdict | None:
        """Return the verdict by which a version of this feed file was rolled back; None where none was."""
        return next((each for each in self.verdicts() if each.state == "withdrawn" and each.sha256 == sha256), None)

    # -- what is served -------------------------------------------------------------------------------------------

    def served(self, key: str) -> Delivery:
        """Return the record of the version of a delivery that is served; raises FileNotFoundError without any."""
        return served_delivery(self._records, key)

    def remember_served(self, record: Delivery) -> None:
        """Keep the record of a version that is served, before a newer one is registered in its place."""
        if not (self._records / SERVED / f"{record.key}.json").exists():
            record.save(self._records / SERVED)

    def mark_served(self, record: Delivery) -> None:
        """Note that the tables of a delivery are those of this record now."""
        path = self._records / f"{record.key}.json"
        written = read_if_exists(path)
        registered = Delivery.load(self._records, record.key)
        if registered.version != record.version:  # a newer one was registered meanwhile
            record.save(self._records / SERVED)
            return
        if registered.ordered_at:
            with suppress(ConflictError):  # likewise, just now
                commit(path, replace(registered, ordered_at="").to_json(), replacing=written)
        (self._records / SERVED / f"{record.key}.json").unlink(missing_ok=True)

    # -- tables of former versions ----------------------------------------------------------------------------------

    def keep(self, record: Delivery, tables: dict[str, UPath]) -> None:
        """Keep the tables (`products`, `rejected`) of a delivery as they are now; those kept before stay."""
        folder = self._folder_of(self.id_of(record), record.key)
        if (folder / _RECORD).exists():  # written last: all of it is there
            return
        for name in _TABLES:
            if tables[name].exists():
                keep_file(tables[name], folder / f"{name}.parquet")
        with replace_file(folder / _RECORD) as file:
            file.write(record.to_json())

    def table(self, version: str, key: str, name: str) -> UPath | None:
        """Return the file of a kept table; None where it is not kept."""
        path = self._folder_of(version, key) / f"{name}.parquet"
        return path if path.exists() else None

    def kept(self) -> list[KeptVersion]:
        """Return the former versions whose tables are kept, the newest first."""
        found = [KeptVersion(version=name, records=tuple(self._kept_records(name))) for name in self._names()]
        return sorted((each for each in found if each.records), key=lambda each: each.arrived_at, reverse=True)

    def surplus(self, num_kept: int) -> list[UPath]:
        """Return the folders of versions beyond the newest `num_kept`; none of one that is registered or served."""
        current = {self.id_of(each) for each in known_deliveries(self._records, self.key)}
        current |= {self.id_of(each) for each in known_deliveries(self._records / SERVED, self.key)}
        kept = [each.version for each in self.kept()]
        surplus = [each for each in kept if each not in current][num_kept:]
        old = [each.version for each in self.verdicts() if each.version not in (*kept, *current)][MAX_VERDICTS:]
        return [self.folder / name for name in (*surplus, *old)]

    def prune(self, num_kept: int) -> None:
        """Remove the folders of `surplus`."""
        for folder in self.surplus(num_kept):
            with suppress(FileNotFoundError):  # a run of another part has done so
                folder.fs.rm(folder.path, recursive=True)

    def parts(self) -> list[Part]:
        """Return the converted parts that served and kept versions need: rows of the former, images of all."""
        served = [each.part for each in known_deliveries(self._records / SERVED, self.key)]
        kept = [record.part for version in self.kept() for record in version.records if record.part.images]
        return [part for part in (*served, *kept) if part.file]

    # -- decisions ------------------------------------------------------------------------------------------------

    def request(self, version: str) -> None:
        """Have a version of the feed that was accepted or restored be served by the next evaluation of the sensor."""
        with replace_file(self._request) as file:
            file.write(json.dumps({"version": version}).encode())

    def end_request(self) -> None:
        """Forget the request."""
        self._request.unlink(missing_ok=True)

    def requested(self) -> str:
        """Return the version that is requested; empty where none is."""
        document = read_if_exists(self._request)
        return str(json.loads(document)["version"]) if document else ""

    @property
    def _request(self) -> UPath:
        return self.root / FOLDER / _REQUESTS / f"{self.key}.json"

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir()) if self.folder.exists() else []

    def _folder_of(self, version: str, key: str) -> UPath:
        return self.folder / version / f"delivery={key}"

    def _kept_records(self, version: str) -> Iterator[Delivery]:
        for path in sorted((self.folder / version).glob(f"delivery=*/{_RECORD}"), key=str):
            yield Delivery.load(path.parent, _RECORD.removesuffix(".json"))


def requested_feeds(root: UPath) -> list[FeedVersions]:
    """Return the feeds of which a person's decision waits for a run."""
    folder = root / FOLDER / _REQUESTS
    paths = sorted(folder.glob("*.json"), key=str) if folder.exists() else []
    return [FeedVersions(root, path.name.removesuffix(".json")) for path in paths]


def feeds_with_versions(root: UPath) -> list[FeedVersions]:
    """Return the feeds that have verdicts or former versions."""
    folder = root / FOLDER
    paths = sorted(folder.iterdir(), key=str) if folder.exists() else []
    return [FeedVersions(root, path.name) for path in paths if path.name != _REQUESTS]


def served_delivery(records: UPath, key: str) -> Delivery:
    """Return the record of the version of a delivery that is served, which may be older than the registered one."""
    is_older = (records / SERVED / f"{key}.json").exists()
    return Delivery.load(records / SERVED if is_older else records, key)


def restored_records(kept: KeptVersion, registered: list[Delivery], arrived_at: str) -> list[Delivery]:
    """Return the records of a version that is to be served again, for every delivery that the feed has by now."""
    own = {each.key: each for each in kept.records}
    newest = next(each for each in kept.records)
    records = [own.get(each.key) or newest.superseding(each) for each in registered]
    return [replace(each, arrived_at=arrived_at) for each in records]


def keep_file(source: UPath, target: UPath) -> None:
    """Keep a file of the store under another name: as a hard link where its file system has them, else as a copy.

    Files of the store are replaced, never changed, so a link keeps the content and takes no room.
    """
    if is_remote(source):
        source.fs.copy(source.path, target.path)
        return
    local = Path(target.path)
    with wrap_os_errors(local):
        make_folder(local.parent)
        local.unlink(missing_ok=True)
        try:
            os.link(source.path, local)
        except OSError:  # a file system without hard links, or with too many of this file
            with source.open("rb") as content, replace_file(target) as copy:
                shutil.copyfileobj(content, copy)
        sync_folder(local.parent)
