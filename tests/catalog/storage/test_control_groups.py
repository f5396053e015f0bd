"""The limits of containers: quotas of processor time and of memory, of both versions of control groups."""

from pathlib import Path

import pytest

from catalog.storage.control_groups import ControlGroups
from catalog.storage.cores import OVERRIDE, num_cores
from catalog.storage.memory import usable_memory_bytes

NO_LIMIT = "9223372036854771712"  # as version 1 writes it


def groups(place: Path, membership: str, **files: str) -> ControlGroups:
    """Control groups below a folder; the name of each file has `__` for `/` and `_DOT_` for `.`."""
    for name, content in files.items():
        path = place / "mount" / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (place / "cgroup").write_text(membership)
    return ControlGroups(mount=place / "mount", membership=place / "cgroup")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu_DOT_max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu_DOT_max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu_DOT_max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a__b__cpu_DOT_max": "max 100000", "a__cpu_DOT_max": "150000 100000"}, 1.5),
        ("0::/a/b\n", {"a__b__cpu_DOT_max": "400000 100000", "a__cpu_DOT_max": "300000 100000"}, 3.0),
        ("0::/on/the/host\n", {"cpu_DOT_max": "100000 100000"}, 1.0),  # only the container's own group is mounted
        ("0::/../other\n", {"cpu_DOT_max": "100000 100000"}, 1.0),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu,cpuacct__cpu_DOT_cfs_quota_us": "300000", "cpu,cpuacct__cpu_DOT_cfs_period_us": "100000"},
            3.0,
        ),
        (
            "4:cpu,cpuacct:/docker/1f\n0::/\n",
            {"cpu__cpu_DOT_cfs_quota_us": "300000", "cpu__cpu_DOT_cfs_period_us": "100000"},
            3.0,
        ),
        ("1:cpu:/\n", {"cpu__cpu_DOT_cfs_quota_us": "-1", "cpu__cpu_DOT_cfs_period_us": "100000"}, None),
        ("1:cpu:/\n", {"cpu__cpu_DOT_cfs_quota_us": "100000"}, None),
        ("1:cpu:/\n", {"cpu__cpu_DOT_cfs_quota_us": "100000", "cpu__cpu_DOT_cfs_period_us": "0"}, None),
        ("0::/\n", {"cpu_DOT_max": "many cores"}, None),
        ("nonsense\n::\n\n", {"cpu_DOT_max": "100000 100000"}, 1.0),
        ("", {"cpu_DOT_max": "100000 100000"}, None),
    ],
)
def test_the_quota_of_processor_time(
    tmp_path: Path, membership: str, files: dict[str, str], expected: float | None
) -> None:
    assert groups(tmp_path, membership, **files).cpu_quota() == expected


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"memory_DOT_max": "1073741824\n"}, 1 << 30),
        ("0::/\n", {"memory_DOT_max": "max\n"}, None),
        ("0::/\n", {"memory_DOT_max": "2147483648", "memory_DOT_high": "1073741824"}, 1 << 30),
        ("0::/a\n", {"a__memory_DOT_max": "max", "memory_DOT_max": "1073741824"}, 1 << 30),
        ("5:memory:/a\n", {"memory__a__memory_DOT_limit_in_bytes": "1073741824"}, 1 << 30),
        ("5:memory:/a\n", {"memory__a__memory_DOT_limit_in_bytes": NO_LIMIT}, None),
        ("5:memory:/a\n", {}, None),
    ],
)
def test_the_limit_of_memory(tmp_path: Path, membership: str, files: dict[str, str], expected: int | None) -> None:
    found = groups(tmp_path, membership, **files)
    assert found.memory_limit_bytes() == expected
    machine = usable_memory_bytes(ControlGroups(mount=tmp_path / "none"))
    assert usable_memory_bytes(found) == (machine if expected is None else min(machine, expected))


@pytest.mark.parametrize(("quota", "expected"), [("50000", 1), ("100000", 1), ("max", None), ("100000000", None)])
def test_a_quota_bounds_the_number_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int | None
) -> None:
    monkeypatch.delenv(OVERRIDE, raising=False)
    without = num_cores(ControlGroups(mount=tmp_path / "none"))
    found = groups(tmp_path, "0::/\n", cpu_DOT_max=f"{quota} 100000")
    assert num_cores(found) == (without if expected is None else expected)


def test_a_quota_is_rounded_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    assert num_cores(groups(tmp_path, "0::/\n", cpu_DOT_max="250000 100000")) == 3
