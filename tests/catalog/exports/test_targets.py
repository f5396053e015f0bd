"""Targets of exports: complete or as before; nothing but an earlier export is replaced."""

from pathlib import Path

import pytest
from upath import UPath

from catalog.exports import targets
from catalog.exports.targets import MANIFEST, replaced_file, replaced_folder


def write(folder: Path, content: str) -> None:
    with replaced_folder(folder) as new:
        (new / "data.txt").write_text(content)
        (new / MANIFEST).write_text("{}")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    (tmp_path / "out" / "more.txt").write_text("of the first export")
    write(tmp_path / "out", "second")
    assert (names(tmp_path), names(tmp_path / "out")) == (["out"], ["data.txt", MANIFEST])
    assert (tmp_path / "out" / "data.txt").read_text() == "second"


def test_without_an_atomic_exchange_the_folder_is_replaced_in_two_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_exchange", lambda one, other: False)
    write(tmp_path / "out", "first")
    write(tmp_path / "out", "second")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "data.txt").read_text() == "second"


def test_a_failed_export_leaves_the_former_one(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    with pytest.raises(RuntimeError, match="midway"), replaced_folder(tmp_path / "out") as new:
        (new / "data.txt").write_text("second")
        raise RuntimeError("midway")
    assert (names(tmp_path), (tmp_path / "out" / "data.txt").read_text()) == (["out"], "first")


def test_a_folder_with_other_content_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("a year of work")
    (tmp_path / "file").write_text("text")
    for target in ("thesis", "file"):
        with pytest.raises(FileExistsError, match="is no earlier export; name a new folder"):
            write(tmp_path / target, "export")
    assert names(tmp_path / "thesis") == ["chapter.txt"]
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "export")
    assert names(tmp_path / "empty") == ["data.txt", MANIFEST]


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path: Path) -> None:
    abandoned = [tmp_path / ".out.0123abcd.writing", tmp_path / ".other.0123abcd.writing"]
    for path in abandoned:
        path.mkdir()
    write(tmp_path / "out", "complete")
    assert names(tmp_path) == [".other.0123abcd.writing", "out"]


def test_a_file_cannot_take_the_place_of_a_folder(tmp_path: Path) -> None:
    refused = pytest.raises(IsADirectoryError, match=r"is a folder; name a file in it, such as .*catalog.csv")
    with refused, replaced_file(UPath(tmp_path)):
        pass
