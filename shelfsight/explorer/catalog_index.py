"""Catalog index: one row a product, with what the catalog page filters and sorts by, in a DuckDB file of its own.

It lies in the store's scratch and is built again, by `index_build` and in the background, when files of the tables
change. Until then pages read the former one. Another process, or one that was killed, does no harm: the file is
replaced as a whole.
"""

import hashlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
from upath import UPath

from catalog.storage.files import is_remote, remove_abandoned
from catalog.storage.tables import TABLES
from resources.store import Store
from shelfsight.explorer.database import Database
from shelfsight.explorer.errors import BusyError, ExplorerError, MissingTableError
from shelfsight.explorer.index_tables import VERSION

TABLES_READ = ("taxonomy", "products", "outcomes", "placeholders", "predictions", "universal_catalog")
DOCUMENTS_READ = ("deliveries/*.json", "deliveries/served/*.json", "champion/champion.json")
CHECK_EVERY_S = 5.0
CHECK_REMOTE_EVERY_S = 60.0
BUILD_S = 1_800.0
FIRST_BUILD_S = 20.0  # that a request waits for the first index

STAMP = "SELECT stamp FROM source"


class IndexBuildError(ExplorerError):
    """The index could not be built; the message has the last lines of the process that tried."""

    status, code = 500, "index_failed"


@dataclass(frozen=True, kw_only=True)
class _Source:
    """The files that an index is built from."""

    store: Store
    warehouse: Path

    def stamp(self) -> str:
        """A text that changes with the name, size or time of a file that the index is built from."""
        patterns = [*(TABLES[name].files for name in TABLES_READ), *DOCUMENTS_READ]
        files: list[Path | UPath] = [file for pattern in patterns for file in self.store.path.glob(pattern)]
        found: list[list[object]] = []
        for file in [*files, self.store.reference / "business_value.csv", self.warehouse]:
            try:
                stat = file.stat()
            except FileNotFoundError:  # replaced meanwhile, or optional
                continue
            found.append([str(file), stat.st_size, stat.st_mtime])
        return f"{VERSION} " + hashlib.sha256(json.dumps(sorted(found, key=str)).encode()).hexdigest()


class CatalogIndex:
    """The index of a store; one object serves all threads."""

    def __init__(self, warehouse: Database, store: Store, file: Path) -> None:
        self.database = Database(file, warehouse.limits)
        self._warehouse = warehouse
        self._source = _Source(store=store, warehouse=warehouse.file)
        self._lock = threading.Lock()
        self._built = self._recorded()
        self._checked_at = -float("inf")
        self._building: threading.Thread | None = None
        self._problem: str = ""

    def current(self) -> Database:
        """Returns the index, which is rebuilt in the background where the tables have changed since.

        Raises:
            MissingTableError: the store has no products yet.
            BusyError: the first index is still being built.
            IndexBuildError: it cannot be built.
        """
        if not self._warehouse.has("current_products", "taxonomy"):
            raise MissingTableError("products" if self._warehouse.has("taxonomy") else "taxonomy")
        building = self._begin_if_changed()
        if self._built is None and building is not None:
            building.join(FIRST_BUILD_S)
            if building.is_alive():
                raise BusyError("the index of the catalog is being built; try again in some seconds")
        if self._built is None:
            raise IndexBuildError(self._problem)
        return self.database

    def close(self) -> None:
        """Closes the index; a build that runs ends by itself and leaves a whole file."""
        self.database.close()

    def _begin_if_changed(self) -> threading.Thread | None:
        """Starts a build where files have changed, and returns the build that runs."""
        every_s = CHECK_REMOTE_EVERY_S if is_remote(self._source.store.root) else CHECK_EVERY_S
        with self._lock:
            if self._building is not None and self._building.is_alive():
                return self._building
            if time.monotonic() - self._checked_at < every_s:
                return None
            self._checked_at = time.monotonic()
            stamp = self._source.stamp()
            if stamp == self._built:
                return None
            self._building = threading.Thread(target=self._build, args=(stamp,), name="index", daemon=True)
            self._building.start()
            return self._building

    def _recorded(self) -> str | None:
        """The stamp of the file as it is; None without one, or where it cannot be read or has other tables."""
        try:
            row = self.database.row(STAMP)
        except (MissingTableError, duckdb.Error):
            return None
        return str(row["stamp"]) if row and row["stamp"].startswith(f"{VERSION} ") else None

    def _build(self, stamp: str) -> None:
        """Builds the index of these files in another process."""
        try:
            self._run_build(stamp)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._problem = f"the index of the catalog cannot be built: {error}"
        else:
            self._built = stamp

    def _run_build(self, stamp: str) -> None:
        target, store = self.database.file, self._source.store
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(UPath(target.parent))
        wanted = {
            "database": str(self._source.warehouse),
            "target": str(target),
            "stamp": stamp,
            "business_values": store.business_values(store.taxonomy()),
            "memory_bytes": self.database.limits.memory_bytes,
        }
        command = [sys.executable, "-m", "shelfsight.explorer.index_build"]
        ended = subprocess.run(  # noqa: S603
            command, input=json.dumps(wanted), capture_output=True, text=True, timeout=BUILD_S, check=False
        )
        if ended.returncode:
            raise ValueError(ended.stderr.strip()[-1_000:])
