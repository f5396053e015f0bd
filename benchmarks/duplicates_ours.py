"""Our side of the duplicates benchmark: pictures decoded as for the store, then grouped.

python -m benchmarks.duplicates_ours FOLDER ANSWER.json
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from catalog.duplicates import group_duplicates
from catalog.images.decoding import decode
from catalog.images.picture import Picture, PictureRules
from catalog.looks import thumbnail


def main() -> None:
    """Writes the group of every file."""
    files = sorted(Path(sys.argv[1]).glob("*.jpg"))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        pictures = list(threads.map(_stored, files))

        def thumbnails(indices: np.ndarray) -> np.ndarray:
            return np.stack(list(threads.map(_thumbnail, (pictures[index] for index in indices.tolist()))))

        sha256 = pl.Series([picture.sha256 for picture in pictures])
        first = group_duplicates(sha256, np.array([picture.dhash for picture in pictures], np.uint64), thumbnails)
    groups = {file.name: files[index].name for file, index in zip(files, first.tolist(), strict=True)}
    Path(sys.argv[2]).write_text(json.dumps(groups))


def _stored(file: Path) -> Picture:
    picture = decode(file.read_bytes(), PictureRules())
    if not isinstance(picture, Picture):
        raise ValueError(f"{file} is {picture}")  # noqa: TRY004 of a wrong value
    return picture


def _thumbnail(picture: Picture) -> np.ndarray:
    with Image.open(BytesIO(picture.data)) as image:
        return thumbnail(image)


if __name__ == "__main__":
    main()
