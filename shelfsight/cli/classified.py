"""Output of `shelfsight classify`: records in memory or in a CSV file, progress, and a count of what failed."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.progress import Progress

from catalog.images.statuses import Status
from catalog.storage.files import replace_file, store_path
from shelfsight.cli.classify import Record, hint_of

FIELDS = ("image", "status", "category_id", "path", "probability", "depth", "leaf_path", "leaf_probability")


class RecordWriter(Protocol):
    """Takes records, batch by batch."""

    def write(self, records: Sequence[Record]) -> None:
        """Takes the records of a batch."""
        ...


class RecordList:
    """Keeps records for the output."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        """Keeps the records of a batch."""
        self.records += records


class CsvWriter:
    """Writes records to an open CSV file, each with its most probable leaf."""

    def __init__(self, file: io.TextIOBase) -> None:
        self._rows = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        self._rows.writeheader()

    def write(self, records: Sequence[Record]) -> None:
        """Writes the records of a batch."""
        for each in records:
            best: dict[str, Any] = next(iter(each["leaves"]), {})
            leaf = {"leaf_path": best.get("path"), "leaf_probability": best.get("probability")}
            self._rows.writerow(each | leaf)


@contextmanager
def csv_writer(path: Path) -> Iterator[CsvWriter]:
    """Opens a CSV file that appears when it is complete; a failure leaves what was there."""
    with replace_file(store_path(str(path.absolute()))) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        yield CsvWriter(text)
        text.detach()


class Counted:
    """Counts records by status and shows the progress on stderr, before it hands them on."""

    def __init__(self, writer: RecordWriter, progress: Progress, num_images: int) -> None:
        self.statuses: Counter[str] = Counter()
        self._writer, self._progress = writer, progress
        self._task = progress.add_task("classifying", total=num_images)

    def write(self, records: Sequence[Record]) -> None:
        """Counts and hands on the records of a batch."""
        self.statuses.update(each["status"] for each in records)
        self._writer.write(records)
        self._progress.advance(self._task, len(records))

    @property
    def failed(self) -> dict[str, int]:
        """The number of images by status, of those that could not be classified."""
        return {status: num for status, num in self.statuses.most_common() if status != Status.OK}

    @property
    def failure(self) -> str | None:
        """The message of a command of which a part failed."""
        if not self.failed:
            return None
        listed = ", ".join(f"{num:,} {status}" for status, num in self.failed.items())
        hints = "".join(map(hint_of, self.failed))
        num_failed, num_images = sum(self.failed.values()), self.statuses.total()
        return f"{num_failed:,} of {num_images:,} images could not be classified: {listed}{hints}"


def shown(record: Record) -> dict[str, Any]:
    """Returns what a person reads of a record: its category and its most probable leaf."""
    best = next(iter(record["leaves"]), {"path": None, "probability": None})
    named = {name: record[name] for name in ("image", "status", "path", "probability")}
    return named | {"most probable leaf": best["path"], "leaf probability": best["probability"]}
