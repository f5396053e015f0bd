"""Our side of the duplicates benchmark: images decoded as for the store, then grouped.

python -m benchmarks.duplicates_ours FOLDER OUTPUT.json
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

from catalog.dataset.duplicates import group_duplicates
from catalog.dataset.thumbnails import thumbnail
from catalog.images.decoding import decode
from catalog.images.stored_image import ImageRules, StoredImage


def main() -> None:
    """Writes the group of every file."""
    files = sorted(Path(sys.argv[1]).glob("*.jpg"))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        images = list(threads.map(_stored, files))

        def thumbnails(indices: np.ndarray) -> np.ndarray:
            return np.stack(list(threads.map(_thumbnail, (images[index] for index in indices.tolist()))))

        sha256 = pl.Series([image.sha256 for image in images])
        first = group_duplicates(sha256, np.array([image.dhash for image in images], np.uint64), thumbnails)
    groups = {file.name: files[index].name for file, index in zip(files, first.tolist(), strict=True)}
    Path(sys.argv[2]).write_text(json.dumps(groups))


def _stored(file: Path) -> StoredImage:
    image = decode(file.read_bytes(), ImageRules())
    if not isinstance(image, StoredImage):
        raise ValueError(f"{file} is {image}")  # noqa: TRY004 of a wrong value
    return image


def _thumbnail(stored: StoredImage) -> np.ndarray:
    with Image.open(BytesIO(stored.data)) as image:
        return thumbnail(image)


if __name__ == "__main__":
    main()
