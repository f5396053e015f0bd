"""Decoder limits: the memory and processor time that one image may take, and how many decoders memory has room for.

The worst image of `max_pixels` takes 16 bytes a pixel to decode (WebP with transparency, which libwebp holds four
times; `tests/faults/test_memory.py` measures it). A decoder may take half as much again before it is refused memory.
"""

from __future__ import annotations

import resource
import signal
from pathlib import Path

from catalog.images.stored_image import ImageRules
from catalog.storage.memory import usable_memory_bytes

BYTES_PER_PIXEL = 16  # of the worst image, while it is decoded
SPARE = 1.5  # times that, up to which a decoder may go
BASE_BYTES = 100_000_000  # of a decoder without an image, resident
MEMORY_SHARE = 0.75  # of the memory; the rest is the caller's
MIN_LIMIT_BYTES = 256_000_000  # for images of few pixels with large metadata, which is limited otherwise


def decoder_bytes(rules: ImageRules) -> int:
    """Returns the bytes that a decoder takes for the worst image that the rules accept."""
    return BASE_BYTES + BYTES_PER_PIXEL * rules.max_pixels


def affordable_decoders(rules: ImageRules, memory_bytes: int | None = None) -> int:
    """Returns the number of decoders, at least 1, that fit into memory while each decodes the worst image."""
    memory = usable_memory_bytes() if memory_bytes is None else memory_bytes
    return max(1, int(MEMORY_SHARE * memory) // decoder_bytes(rules))


def limit_this_process(rules: ImageRules) -> None:
    """Limits the address space of this process, a decoder with its libraries loaded, and forbids core dumps.

    Beyond the limit an allocation fails with MemoryError. Systems without /proc have no limit.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return
    limit = mapped + max(MIN_LIMIT_BYTES, int(SPARE * BYTES_PER_PIXEL * rules.max_pixels))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_cpu_time(seconds: float) -> None:
    """Lets the kernel end this process by SIGPROF once it has used so much processor time from now on; 0: no limit.

    Processor time, unlike time on the clock, does not pass while the machine is busy with something else.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
