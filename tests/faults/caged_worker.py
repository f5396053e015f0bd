"""The real decoding worker, but for images that stand for faults of the machine or that inspect its limits.

`b"once NAME"` and `b"always NAME"`: what befalls the process at that image, once or at each try.
"""

import os
import resource
import signal
import time
from pathlib import Path

from catalog.images import decoding_worker as worker
from catalog.images.stored_image import ImageRules

REAL = worker.decode_packed
# In one file for all workers, since a worker at which something happened is replaced.
SEEN = Path(os.environ["TMPDIR"]) / "seen"


def befall(name: str) -> None:
    """Lets something happen to this process."""
    if name == "stopped":  # as on a machine that stands still
        os.kill(os.getpid(), signal.SIGSTOP)
    elif name == "killed":  # as by the kernel when memory runs out
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "asleep":
        time.sleep(3600)
    elif name == "crashed":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif name == "aborted":
        os.abort()
    elif name == "exited":
        os._exit(3)
    elif name == "spinning":
        while True:
            pass
    elif name == "hungry":
        bytearray(8 << 30)
    elif name == "hoarding":
        hoard = []
        while True:
            hoard.append(bytes(50_000_000))
    elif name == "dumping":
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def decode_packed(data: bytes, rules: ImageRules) -> bytes:
    """Decodes, after what the image stands for has happened."""
    when, _, name = data.partition(b" ")
    if when not in {b"once", b"always"}:
        return REAL(data, rules)
    if when == b"always" or not SEEN.exists():
        SEEN.touch()
        try:
            befall(name.decode())
        except MemoryError:
            return REAL(b"", rules) if name == b"never" else worker.packed(worker.Status.TOO_LARGE)
    return REAL(IMAGE.read_bytes(), rules)


IMAGE = Path(os.environ["TMPDIR"]) / "image.jpg"
worker.decode_packed = decode_packed

if __name__ == "__main__":
    worker.main()
