"""Folders of images: labels are the names of subfolders, or stand in a table of paths."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from catalog.products.parsing import MAX_ID_CHARACTERS
from catalog.taxonomy.parsing import SEPARATOR
from shelfsight.importing.columns import PATHS, Columns
from shelfsight.importing.samples import IMAGE_SUFFIXES, Problems, Sample, is_possible_path
from shelfsight.importing.splits import SPLITS


@dataclass(frozen=True, kw_only=True)
class Subfolders:
    """The images below a folder, labeled by the path of their subfolder: `Fruit/Apple/1.jpg` is `Fruit > Apple`.

    Where all subfolders at the top are named train, val or test, they are splits.
    """

    folder: Path

    def samples(self, problems: Problems) -> Iterator[Sample]:
        """Yields the images in the order of their names."""
        tops = [each.name for each in os.scandir(self.folder) if each.is_dir() and not each.name.startswith(".")]
        has_splits = bool(tops) and all(name.lower() in SPLITS for name in tops)
        for path in image_paths(self.folder):
            if not is_possible_path(path):
                problems.add("file names with a backslash or characters that are not text", repr(path))
                continue
            if not _is_inside(self.folder / path, self.folder):
                problems.add("links that lead out of the folder", repr(path))
                continue
            *folders, _ = path.split("/")
            split = folders.pop(0) if has_splits and folders else ""
            yield Sample(item_id=item_id_of(path), path=path, label=SEPARATOR.join(folders), split=split)


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """The images that a CSV file lists, with their labels and further columns; tabs separate a `.tsv` file."""

    folder: Path
    table: Path
    label: str | None = None  # the column of labels, where it is not found by its name
    group: str | None = None  # the column whose equal values stay in one split

    def samples(self, problems: Problems) -> Iterator[Sample]:
        """Yields the rows in their order; rows of unknown or repeated files are problems.

        Raises:
            ValueError: the table has no column of paths, or is not UTF-8.
        """
        seen: set[bytes] = set()
        with self.table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t" if self.table.suffix.lower() == ".tsv" else ",")
            try:
                names = list(rows.fieldnames or ())
                columns = Columns.of(names, str(self.table), label=self.label, group=self.group)
                if columns.path is None:
                    raise ValueError(
                        f"{self.table} has no column of paths; name one {' or '.join(PATHS)}; it has {', '.join(names)}"
                    )
                for row in rows:
                    written = (row[columns.path] or "").strip()
                    path = self._found(written)
                    if path is None:
                        problems.add("rows of unknown files", f"{written!r} in line {rows.line_num}")
                        continue
                    if None in row or None in row.values():
                        problems.add("rows with another number of fields than the header", f"line {rows.line_num}")
                        continue
                    if (digest := blake2b(path.encode(), digest_size=8).digest()) in seen:
                        problems.add("rows of a file that an earlier row has", f"{written!r} in line {rows.line_num}")
                    seen.add(digest)
                    yield columns.sample(row, path=path, item_id=item_id_of(path))
            except UnicodeDecodeError as error:
                raise ValueError(f"{self.table} is not UTF-8 ({error.reason}); save it as UTF-8") from error
            except csv.Error as error:
                raise ValueError(f"{self.table}:{rows.line_num}: {error}; correct that line") from error

    def _found(self, written: str) -> str | None:
        """Returns the path of a file below the folder, by its real path; None where there is none."""
        top = os.path.realpath(self.folder)
        for start in (self.folder, self.table.parent):
            place = os.path.join(start, written)  # noqa: PTH118 of untrusted text, which may be absolute
            if written and "\0" not in written and is_possible_path(written) and os.path.isfile(place):  # noqa: PTH113
                normal = os.path.normpath(place)
                real = os.path.realpath(place)
                if real.startswith(f"{top}/") and normal.startswith(f"{os.path.normpath(self.folder)}/"):
                    return os.path.relpath(normal, self.folder)
        return None


def image_paths(folder: Path) -> Iterator[str]:
    """Yields the paths of all images below a folder, relative to it; hidden files and links to folders are left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = os.path.relpath(place, folder)
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122
                yield name if inner == "." else f"{inner}/{name}"


def _is_inside(file: Path, folder: Path) -> bool:
    """Returns True for a file that lies in the folder, or a link to one that does."""
    return not file.is_symlink() or os.path.realpath(file).startswith(f"{os.path.realpath(folder)}/")


def item_id_of(path: str) -> str:
    """Returns the id of an image: its path or, of one that is too long for an id, a hash of it."""
    return path if len(path) <= MAX_ID_CHARACTERS else blake2b(path.encode(), digest_size=16).hexdigest()
