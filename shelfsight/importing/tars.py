"""WebDataset tar files: samples are members with one key, `key.jpg`, `key.cls`, `key.json`, `key.txt`.

Only headers and small members are read; an image stays where it is, and its link names the range of its bytes.
"""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from shelfsight.importing.columns import Columns
from shelfsight.importing.folders import item_id_of
from shelfsight.importing.samples import IMAGE_SUFFIXES, Problems, Sample, is_possible_path

MAX_TEXT_BYTES = 1 << 20  # of a member that is no image
_TEXTS = frozenset({"cls", "json", "txt", "label"})


@dataclass(frozen=True, kw_only=True)
class TarFiles:
    """Tar files of one folder, in the order of their names."""

    files: Sequence[Path]
    label: str | None = None  # the key of labels in JSON, where it is not found by its name
    group: str | None = None

    def samples(self, problems: Problems) -> Iterator[Sample]:
        """Yields the samples of all files.

        Raises:
            ValueError: a file is compressed, damaged or cut off.
        """
        seen: set[bytes] = set()
        for file in self.files:
            for key, members in _grouped(file):
                images = [name for name in members if f".{name.rpartition('.')[2]}" in IMAGE_SUFFIXES]
                if not images:
                    problems.add("samples without an image", f"{key!r} in {file.name}")
                    continue
                if (digest := blake2b(key.encode(errors="replace"), digest_size=8).digest()) in seen:
                    problems.add("samples whose key is there twice", f"{key!r} in {file.name}")
                    continue
                seen.add(digest)
                if not is_possible_path(key):
                    problems.add("keys with characters that are not text", repr(key))
                    continue
                try:
                    row = _row(members)
                except ValueError as error:
                    problems.add("samples whose JSON or text cannot be read", f"{key!r} in {file.name} ({error})")
                    continue
                offset, size, _ = members[images[0]]
                columns = Columns.of(list(row), file.name, label=self.label if self.label in row else None)
                path = f"{file.name}#{offset}+{size}"
                yield columns.sample(row, path=path, item_id=item_id_of(key))


_Members = dict[str, tuple[int, int, bytes]]  # suffix -> offset, size, content of a text


def _grouped(file: Path) -> Iterator[tuple[str, _Members]]:
    """Yields each key with its members, in memory that is bounded by one sample."""
    key, members = "", _Members()
    try:
        with tarfile.open(file, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined] # or it keeps the headers of the whole file
                path = PurePosixPath(member.name)
                if not member.isreg() or member.sparse is not None or path.name.startswith("."):
                    continue
                stem, _, suffix = path.name.partition(".")
                found, suffix = str(path.with_name(stem)), suffix.lower()
                if found != key or suffix in members:
                    if members:
                        yield key, members
                    key, members = found, {}
                members[suffix] = (member.offset_data, member.size, _content(tar, member, suffix))
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(
            f"{file} is not a whole tar file ({error}); copy it again, and unpack one that is compressed"
        ) from error
    if members:
        yield key, members


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, suffix: str) -> bytes:
    if suffix not in _TEXTS or member.size > MAX_TEXT_BYTES:
        return b""
    content = tar.extractfile(member)
    return content.read() if content is not None else b""


def _row(members: _Members) -> dict[str, str]:
    """Returns the texts of a sample as a row; raises ValueError for JSON that is no object, or for other bytes."""
    row: dict[str, str] = {}
    if "json" in members:
        values = json.loads(members["json"][2].decode("utf-8"))
        if not isinstance(values, dict):
            raise ValueError("the JSON is no object")
        row |= {name: str(value) for name, value in values.items() if isinstance(value, str | int | float)}
    for suffix, column in (("cls", "cls"), ("label", "label"), ("txt", "title")):
        if suffix in members and column not in row:
            row[column] = members[suffix][2].decode("utf-8").strip()
    if row.get("cls", "").isdecimal():  # a number of a class is no id of a category
        row["cls"] = f"class {row['cls']}"
    return row
