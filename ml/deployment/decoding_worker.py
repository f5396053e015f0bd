"""A decoding process: takes batches of stored pictures and answers with their pixels at one resolution.

Started by `ml.deployment.decoders` as `python -m ml.deployment.decoding_worker FD RESOLUTION`. It ends when its parent
does, for then the connection is closed.
"""

import sys
from multiprocessing.connection import Connection

from ml.pixels import decode_pixels


def main() -> None:
    """Reads a batch whole before the answer is written: neither side ever waits for the other to read."""
    connection, resolution = Connection(int(sys.argv[1])), int(sys.argv[2])
    connection.send_bytes(b"ready")
    while True:
        try:
            num_pictures = int.from_bytes(connection.recv_bytes(), "little")
            batch = [connection.recv_bytes() for _ in range(num_pictures)]
        except EOFError:
            return
        try:
            pixels = decode_pixels(batch, resolution, num_threads=1)
        except ValueError as error:
            connection.send_bytes(b"error")
            connection.send_bytes(str(error).encode())
        else:
            connection.send_bytes(b"pixels")
            connection.send_bytes(pixels.data.cast("B"))


if __name__ == "__main__":
    main()
