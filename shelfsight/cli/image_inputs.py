"""The images to classify, as a command line names them: files, globs, folders, links and CSV files."""

import csv
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.feeds.feed import attribute_of
from ml.name_suggestions import suggest_names

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif")  # of images in a folder
COLUMNS = ("image_link", "image_url", "image", "image_path", "path", "file", "filename", "url", "link")
DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image: its name in the output, and its link or the path of its file."""

    name: str
    place: str

    @property
    def is_link(self) -> bool:
        """True for a URL of any scheme."""
        return "://" in self.place


@dataclass(frozen=True, kw_only=True)
class ImageSources:
    """Files, globs, folders, links and CSV files, in order; iterating reads them anew and holds one image at a time.

    `column` is the column of the CSV files with links or paths; without it, it is the first of `COLUMNS` that they
    have, or their only column. Paths in a CSV file are relative to its folder.

    Raises, as it is iterated:
        FileNotFoundError: a glob matches no file, a folder has no image, or a CSV file does not exist.
        ValueError: a CSV file has no such column.
    """

    arguments: Sequence[str] = ()
    csv_files: Sequence[Path] = ()
    column: str | None = None

    def __iter__(self) -> Iterator[ImageInput]:
        for argument in self.arguments:
            yield from self._of_argument(argument)
        for file in self.csv_files:
            yield from _csv_images(file, self.column)

    def _of_argument(self, argument: str) -> Iterable[ImageInput]:
        path = Path(argument)
        if "://" in argument:
            return [ImageInput(argument, argument)]
        if path.is_dir():
            return _folder_images(path)
        if path.suffix.lower() == ".csv":
            return _csv_images(path, self.column)
        if glob.has_magic(argument) and not path.exists():
            return _matches(argument)
        return [ImageInput(argument, argument)]


def _folder_images(folder: Path) -> Iterator[ImageInput]:
    """Yields the images of a folder and of those below it, in order; hidden ones are left out."""
    is_empty = True
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                is_empty = False
                path = str(Path(place) / name)
                yield ImageInput(path, path)
    if is_empty:
        raise FileNotFoundError(f"there is no image in folder {str(folder)!r}; it may have {', '.join(SUFFIXES)}")


def _matches(pattern: str) -> Iterator[ImageInput]:
    """Yields the files that a glob matches, in order."""
    files = sorted(each for each in glob.iglob(pattern, recursive=True) if Path(each).is_file())  # noqa: PTH207 absolute, too
    if not files:
        raise FileNotFoundError(f"no file matches {pattern!r}; `**` matches folders of any depth")
    yield from (ImageInput(each, each) for each in files)


def _csv_images(file: Path, column: str | None) -> Iterator[ImageInput]:
    """Yields the image of each row of a CSV file with a header; commas, semicolons or tabs delimit its fields."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        try:
            header = lines.readline()
            lines.seek(0)
            rows = csv.DictReader(lines, delimiter=max(DELIMITERS, key=header.count), restval="")
            chosen = _column(list(rows.fieldnames or ()), column, file)
            for row in rows:
                name = row[chosen].strip()
                yield ImageInput(name, name if "://" in name or not name else str(file.parent / name))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{str(file)!r} is not a CSV file in UTF-8: {error}; save it as one") from None


def _column(headers: Sequence[str], wanted: str | None, file: Path) -> str:
    """Returns the column with links or paths."""
    if wanted is not None and wanted not in headers:
        raise ValueError(f"{str(file)!r} has no column {wanted!r}; {suggest_names(wanted, headers)}")
    by_name = {attribute_of(header): header for header in reversed(headers)}
    known = [by_name[name] for name in COLUMNS if name in by_name]
    candidates = [wanted] if wanted is not None else [*known, *(headers if len(headers) == 1 else ())]
    if not candidates:
        listed = ", ".join(headers) or "no column"
        raise ValueError(f"{str(file)!r} has {listed}; name the column of links or paths with --column")
    return candidates[0]
