"""Decoding worker: a process that receives batches of untrusted images and sends their decoded form.

Started by `catalog.images.decoder_process` as `python -m catalog.images.decoding_worker FD RULES CPU_S`. Results are
packed, not pickled: a hostile image that takes over a decoder gains no more than a wrong image. Its address space is
limited, and the processor time of each image; it has no secret in its environment (`worker_environment`).
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection

import cv2

from catalog.images.decoder_limits import limit_cpu_time, limit_this_process
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
    cpu_s = float(sys.argv[3])
    limit_this_process(rules)
    for batch in batches(connection):
        for data in batch:
            limit_cpu_time(cpu_s)
            result = decode_packed(data, rules)
            limit_cpu_time(0)
            connection.send_bytes(result)


if __name__ == "__main__":
    main()
