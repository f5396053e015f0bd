"""Descriptors: divides the open files that the system allows this process among connections and lookups.

Without it, hosts by the thousand take every descriptor for idle connections, and then whatever opens the next file
fails: a shard, a journal, a decoding process.
"""

from __future__ import annotations

import logging
import os
import resource
from dataclasses import dataclass

RESERVED = 128  # for shards, journals, decoding processes, and for whoever else works in this process
MAX_IDLE = 512  # connections; more would only take memory
MAX_LOOKUPS = 256
# A connection under way takes two while its addresses are tried beside each other (RFC 8305), a lookup as many.
EACH = 2
MIN_FREE = 8  # for one connection and some lookups

_log = logging.getLogger(__name__)


class TooFewDescriptorsError(OSError):
    """The limit of open files leaves none for a download; the message names it and the way out."""


@dataclass(frozen=True)
class DescriptorBudget:
    """The connections under way, idle connections and lookups that a download may have at once."""

    connections: int
    idle: int
    lookups: int

    @classmethod
    def of(cls, max_connections: int, num_free: int | None = None) -> DescriptorBudget:
        """Divides the descriptors that are free, by default those of this process less `RESERVED`.

        Raises:
            TooFewDescriptorsError: there are too few for a single connection.
        """
        if num_free is None:
            num_free = descriptor_limit() - num_open() - RESERVED
        if num_free < MIN_FREE:
            raise TooFewDescriptorsError(
                f"this process may open {descriptor_limit():,} files and has {num_open():,} open, which leaves too few "
                f"for a download; raise the limit with `ulimit -n 4096`, or LimitNOFILE of its service"
            )
        lookups = max(1, min(MAX_LOOKUPS, num_free // (4 * EACH)))
        left = num_free - EACH * lookups
        connections = max(1, min(max_connections, left // (EACH + 1)))
        if connections < max_connections:
            _log.warning(
                "%d connections at once instead of %d: this process may open %d files; raise that with `ulimit -n`",
                connections,
                max_connections,
                descriptor_limit(),
            )
        return cls(connections, min(MAX_IDLE, max(0, left - EACH * connections)), lookups)


def descriptor_limit() -> int:
    """Returns the number of files that this process may have open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit if limit != resource.RLIM_INFINITY else 1 << 20


def num_open() -> int:
    """Returns the number of files that this process has open, where the system lists them."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))  # noqa: PTH208 names only
        except OSError:
            continue
    return RESERVED
