"""The images that a command line names: files, globs, folders, links and CSV files."""

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfsight.cli.image_inputs import COLUMNS, ImageSources


def named(*arguments: object, column: str | None = None, csv_files: tuple[Path, ...] = ()) -> list[str]:
    sources = ImageSources(arguments=[str(each) for each in arguments], csv_files=csv_files, column=column)
    assert list(sources) == list(sources)  # every iteration reads anew
    return [each.name for each in sources]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg", "inner/c.webp", ".cache/d.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_a_folder_is_its_images_in_order_without_hidden_ones(folder: Path) -> None:
    assert named(folder) == [str(folder / name) for name in ("a.png", "b.JPG", "inner/c.webp")]


def test_a_folder_without_images_is_refused_with_the_suffixes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no image in folder .*; it may have \.jpg"):
        named(tmp_path)


def test_a_glob_is_the_files_that_match(folder: Path) -> None:
    assert named(folder / "**" / "*.[wj]*") == [str(folder / "inner" / "c.webp")]
    with pytest.raises(FileNotFoundError, match="no file matches"):
        named(folder / "*.bmp")


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "shoe[1].jpg").touch()
    assert named(tmp_path / "shoe[1].jpg") == [str(tmp_path / "shoe[1].jpg")]


def test_missing_files_and_links_stay_as_they_are_written() -> None:
    assert named("nowhere.jpg", "https://a.example/b.csv") == ["nowhere.jpg", "https://a.example/b.csv"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_file_gives_links_and_paths_relative_to_it(tmp_path: Path, delimiter: str) -> None:
    file = tmp_path / "images.csv"
    rows = [["id", "Image Link"], ["1", "https://a.example/1.jpg"], ["2", "sub/2.jpg"], ["3", ""]]
    file.write_text("\n".join(delimiter.join(row) for row in rows), encoding="utf-8-sig")
    images = list(ImageSources(arguments=[str(file)]))
    assert [each.place for each in images] == ["https://a.example/1.jpg", str(tmp_path / "sub" / "2.jpg"), ""]
    assert [each.name for each in images] == ["https://a.example/1.jpg", "sub/2.jpg", ""]


def test_the_option_csv_reads_any_suffix_and_one_column(tmp_path: Path) -> None:
    file = tmp_path / "links.txt"
    file.write_text("anything\nhttps://a.example/1.jpg\n")
    assert named(csv_files=(file,)) == ["https://a.example/1.jpg"]


def test_a_csv_file_without_a_known_column_asks_for_one(tmp_path: Path) -> None:
    file = tmp_path / "images.csv"
    file.write_text("sku,photo\n1,a.jpg\n")
    with pytest.raises(ValueError, match="has sku, photo; name the column of links or paths with --column"):
        named(file)
    with pytest.raises(ValueError, match="no column 'photos'; similar names: photo"):
        named(file, column="photos")
    assert named(file, column="photo") == ["a.jpg"]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_bytes(b"image\n\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a CSV file in UTF-8"):
        named(tmp_path / "images.csv")


@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip), max_size=5),
    column=st.sampled_from(COLUMNS),
)
def test_whatever_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], column: str
) -> None:
    file = tmp_path_factory.mktemp("csv") / "images.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerows([["id", column], *([str(number), name] for number, name in enumerate(names))])
    assert named(file) == names
    os.remove(file)  # noqa: PTH107
