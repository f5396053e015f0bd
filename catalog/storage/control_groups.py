"""Control groups: the limits of processor time and memory that a container's runtime sets, of versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_UNLIMITED_BYTES = 1 << 60  # version 1 writes a number near 2**63 where there is no limit


@dataclass(frozen=True)
class ControlGroups:
    """The groups of this process; a limit is the strictest of its own group's and of all groups above it.

    Where a file is missing or unreadable, as on other systems than Linux, there is no limit.
    """

    mount: Path = Path("/sys/fs/cgroup")
    membership: Path = Path("/proc/self/cgroup")

    def cpu_quota(self) -> float | None:
        """Returns the number of cores whose time this process may use, maybe a fraction; None without a limit."""
        quotas = []
        for folder in self._folders("cpu"):
            former = (*_numbers(folder / "cpu.cfs_quota_us", 1), *_numbers(folder / "cpu.cfs_period_us", 1))
            for numbers in (_numbers(folder / "cpu.max", 2), former):
                if len(numbers) == 2 and min(numbers) > 0:
                    quotas.append(numbers[0] / numbers[1])
        return min(quotas, default=None)

    def memory_limit_bytes(self) -> int | None:
        """Returns the bytes of memory that this process and its group may use; None without a limit."""
        names = ("memory.max", "memory.high", "memory.limit_in_bytes")
        limits = [
            number for folder in self._folders("memory") for name in names for number in _numbers(folder / name, 1)
        ]
        return min((limit for limit in limits if 0 < limit < _UNLIMITED_BYTES), default=None)

    def _folders(self, controller: str) -> Iterator[Path]:
        """Yields the folders of the groups that may limit a controller: this process's own and those above it."""
        try:
            lines = self.membership.read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            if controllers and controller not in controllers.split(","):
                continue
            for root in (self.mount / controllers, self.mount / controller) if controllers else (self.mount,):
                # Within a container the path may be that of the host, where only the mount itself is visible.
                group = root / PurePosixPath(path).as_posix().lstrip("/")
                yield from (each for each in (group, *group.parents) if each == root or root in each.parents)


def _numbers(file: Path, count: int) -> tuple[int, ...]:
    """Returns the numbers in a file; none where it is missing, unlimited (`max`) or has another form."""
    try:
        words = file.read_text().split()
        return tuple(map(int, words)) if len(words) == count else ()
    except (OSError, ValueError):
        return ()
