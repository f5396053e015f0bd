"""A decoding process: takes batches of strangers' pictures and answers with what `decode` makes of them.

Started by `catalog.images.decoders` as `python -m catalog.images.decoding_worker FD RULES`. Answers are packed, not
pickled: whoever takes over a decoder by a hostile picture gains no more than a wrong picture.
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection

import cv2

from catalog.images.decoding import decode
from catalog.images.picture import PictureRules, packed
from catalog.images.statuses import Status
from catalog.worker_processes import batches


def answer(data: bytes, rules: PictureRules) -> bytes:
    """What becomes of one picture; one that takes more memory than there is, is too large."""
    try:
        return packed(decode(data, rules))
    except MemoryError:
        return packed(Status.TOO_LARGE)


def main() -> None:
    """Decodes what it is sent until its parent ends."""
    cv2.setNumThreads(1)  # the processes share the cores already
    connection = Connection(int(sys.argv[1]))
    rules = PictureRules(**json.loads(sys.argv[2]))
    for batch in batches(connection):
        for data in batch:
            connection.send_bytes(answer(data, rules))


if __name__ == "__main__":
    main()
