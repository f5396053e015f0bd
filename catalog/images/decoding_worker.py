"""Decoding worker: a process that receives batches of untrusted images and sends their decoded form.

Started by `catalog.images.decoders` as `python -m catalog.images.decoding_worker FD RULES`. Results are packed, not
pickled: a hostile image that takes over a decoder gains no more than a wrong image.
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection

import cv2

from catalog.images.decoding import decode
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, packed
from catalog.images.worker_processes import batches


def decode_packed(data: bytes, rules: ImageRules) -> bytes:
    """Decodes and packs one image; an image that needs more memory than there is counts as too large."""
    try:
        return packed(decode(data, rules))
    except MemoryError:
        return packed(Status.TOO_LARGE)


def main() -> None:
    """Decodes the batches that arrive until the parent process ends."""
    cv2.setNumThreads(1)  # the processes share the cores already
    connection = Connection(int(sys.argv[1]))
    rules = ImageRules(**json.loads(sys.argv[2]))
    for batch in batches(connection):
        for data in batch:
            connection.send_bytes(decode_packed(data, rules))


if __name__ == "__main__":
    main()
