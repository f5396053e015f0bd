"""WebDataset: tar files whose members with the same name before the first dot are one sample.

A sample is `NUMBER.jpg`, `NUMBER.json` and, where it has a label, `NUMBER.cls`, the index of its class. The number runs
through a split: a product's id may hold dots and slashes, so it stands in the JSON. Source: https://github.com/webdataset/webdataset.
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import BinaryIO

from catalog.exports.examples import Example

_FACTS = (
    *("product_id", "partner_id", "group_id", "sha256", "width", "height"),
    *("label", "category_id", "path", "levels"),
)


class TarSink:
    """Writes the samples of one tar file, the same bytes for the same examples."""

    def __init__(self, file: BinaryIO, first_number: int) -> None:
        self._file = file
        self._number = first_number
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 closed by close()

    @property
    def num_bytes(self) -> int:
        """Bytes written."""
        return self._file.tell()

    def write(self, example: Example) -> None:
        """Appends one sample."""
        key = f"{self._number:09d}"
        self._number += 1
        facts = {name: getattr(example, name) for name in _FACTS}
        self._add(f"{key}.jpg", example.image)
        if example.label is not None:
            self._add(f"{key}.cls", str(example.label).encode())
        self._add(f"{key}.json", json.dumps(facts, ensure_ascii=False).encode())

    def close(self) -> None:
        """Ends the tar file."""
        self._tar.close()

    def abort(self) -> None:
        """Gives the file up after an error."""

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))
        self._tar.getmembers().clear()  # it would keep every member's header until the end
