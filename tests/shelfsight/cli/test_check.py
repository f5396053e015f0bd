"""`shelfsight check` finds image roots that cannot be used, before a download does."""

from pathlib import Path

import pytest

from resources.settings import Settings
from shelfsight.cli.check import root_problems


def problems(tmp_path: Path, **roots: str) -> list[str]:
    return list(root_problems(Settings.read(store=str(tmp_path / "store"), image_roots=roots)))


def test_roots_that_can_be_read_are_no_problem(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert problems(tmp_path, photos=str(tmp_path / "photos"), bucket="s3://shop/images") == []


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("linked", "leads to '/etc'"),
        ("missing", "which is no folder"),
        ("s4://shop/images", "install the package"),
        ("https://shop.example/images", "need no root"),
    ],
)
def test_bad_root_is_a_problem_with_its_name_value_and_the_way_out(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "linked").symlink_to("/etc")
    place = place if "://" in place else str(tmp_path / place)
    (problem,) = problems(tmp_path, photos=place)
    assert f"image_roots has photos = {place!r}" in problem
    assert reason in problem
