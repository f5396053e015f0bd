"""A decoding process: takes batches of stored pictures and answers with their pixels at one resolution.

Started by `resources.pixel_decoders` as `python -m resources.pixel_worker FD RESOLUTION`.
"""

import sys
from multiprocessing.connection import Connection

from catalog.worker_processes import batches
from ml.pixels import decode_pixels

PIXELS, ERROR = b"pixels", b"error"  # what an answer starts with


def main() -> None:
    """Decodes what it is sent until its parent ends."""
    connection, resolution = Connection(int(sys.argv[1])), int(sys.argv[2])
    for batch in batches(connection):
        try:
            pixels = decode_pixels(batch, resolution, num_threads=1)
        except ValueError as error:
            connection.send_bytes(ERROR)
            connection.send_bytes(str(error).encode())
        else:
            connection.send_bytes(PIXELS)
            connection.send_bytes(pixels.data.cast("B"))


if __name__ == "__main__":
    main()
