"""Memory: what one batch frees, the next one asks for again."""

import ctypes
import logging
import sys
from functools import cache

logger = logging.getLogger(__name__)

# Of glibc's malloc.h, as mallopt(3) describes them.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
TRIM_THRESHOLD_BYTES = 2**31 - 1  # the largest that mallopt takes


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for good; tells whether its C library could be asked to.

    glibc maps every large block anew and gives it back when freed, so each batch pays for having all its
    pages cleared and mapped again: a quarter of the time of a small network on a CPU. The peak stays what it was.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library than glibc
        logger.info("this C library has no mallopt: freed memory goes back to the system")
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES))
