"""`shelfsight export` as typed: formats, filters, output and errors."""

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shelfsight.cli.command import main
from shelfsight.cli.export import parse_time
from tests.catalog.exports.small_store import NOON, write_dataset, write_delivery, write_taxonomy


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two partners' predictions, and a dataset."""
    root = tmp_path_factory.mktemp("store")
    write_dataset(root, {"train": 4, "golden": 2})
    write_delivery(root, "acme.spring", [{"item": "1", "probability": 0.99}, {"item": "2", "category_id": None}])
    write_delivery(root, "zwirn.feed", [{"item": "1", "category_id": 166, "changed_at": NOON.replace(month=12)}])
    return root


@pytest.fixture
def run(store: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> tuple[int, str, str]:
        returncode = main(["export", *map(str, arguments), "--store", str(store)])
        return (returncode, *capsys.readouterr())

    return run


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "ndjson", "parquet"])
def test_the_name_of_the_file_decides_the_format(run: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"catalog.{suffix}"
    returncode, stdout, _ = run("catalog", path, "--json")
    record = json.loads(stdout)
    assert (returncode, record["file"], record["rows"], record["without a category"]) == (0, str(path), 3, 1)
    readers = {"csv": pl.read_csv, "parquet": pl.read_parquet}
    rows = readers.get(suffix, pl.read_ndjson)(path)
    assert rows["product_id"].to_list() == ["acme:1", "acme:2", "zwirn:1"]


def test_options_filter_the_rows(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "catalog.csv"
    for options, expected in (
        (("--partner", "acme"), ["acme:1", "acme:2"]),
        (("--partner", "acme", "--partner", "zwirn", "--min-confidence", 0.5), ["acme:1", "zwirn:1"]),
        (("--min-depth", 2), ["acme:1"]),
        (("--changed-since", "2026-12-01"), ["zwirn:1"]),
    ):
        assert run("catalog", path, *options)[0] == 0
        assert pl.read_csv(path)["product_id"].to_list() == expected


def test_supplemental_feeds_go_to_a_folder(run: Any, tmp_path: Path) -> None:
    returncode, stdout, _ = run("catalog", tmp_path / "feeds", "--format", "merchant", "--json")
    assert (returncode, json.loads(stdout)["feeds"]) == (0, ["acme.tsv", "zwirn.tsv"])
    assert (tmp_path / "feeds" / "acme.tsv").read_text() == "id\tgoogle_product_category\n1\t187\n"


def test_the_dataset_goes_to_a_folder_of_the_wanted_splits(run: Any, tmp_path: Path) -> None:
    arguments = ("dataset", tmp_path / "out", "--format", "webdataset", "--split", "golden", "--shard-mb", 1)
    returncode, stdout, _ = run(*arguments, "--json")
    assert (returncode, json.loads(stdout)["rows"]) == (0, {"golden": 2})
    assert [path.name for path in (tmp_path / "out").glob("*.tar")] == ["golden-000000.tar"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("catalog", "x.xlsx"), "the format of 'x.xlsx' is not clear from its name; end it with .csv"),
        (("catalog", "x.csv", "--format", "cvs"), "unknown format 'cvs'; similar names: csv"),
        (("catalog", "x.csv", "--partner", "acmee"), "partner 'acmee' has no predictions; similar names: acme"),
        (("catalog", "x.csv", "--changed-since", "yesterday"), "'yesterday' is no date or time; write 2026-11-01"),
        (("catalog", "s3://bucket/x", "--format", "merchant"), "'s3://bucket/x' is no folder of this machine"),
        (("dataset", "x", "--format", "tfrecords"), "unknown format 'tfrecords'; similar names: tfrecord"),
        (("dataset", "x", "--format", "tfrecord", "--split", "valid"), "unknown split 'valid'; similar names: val"),
        (
            ("dataset", "x", "--format", "tfrecord", "--shard-mb", "0"),
            "shards of 0 MB are impossible; give a size",
        ),
        (("dataset", "x", "--format", "tfrecord", "--shard-mb", "inf"), "shards of inf MB are impossible"),
    ],
)
def test_a_wrong_argument_is_named_with_the_way_out(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    returncode, stdout, stderr = run(*arguments)
    assert (returncode, stdout, message in stderr) == (1, "", True), stderr
    assert list(tmp_path.iterdir()) == []


def test_a_taxonomy_of_one_s_own_has_no_supplemental_feed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_taxonomy(tmp_path, first_line="")
    write_delivery(tmp_path, "acme.spring", [{"item": "1"}])
    arguments = ["export", "catalog", str(tmp_path / "feeds"), "--format", "merchant", "--store", str(tmp_path)]
    assert main(arguments) == 1
    assert "taxonomy of your own, whose ids mean nothing to Google" in capsys.readouterr().err
    assert not (tmp_path / "feeds").exists()


def test_a_terminal_sees_the_progress(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for is_terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shown=is_terminal: shown)
        _, _, stderr = run("catalog", tmp_path / "catalog.csv")
        assert ("2/2" in stderr) == is_terminal


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert parse_time("2026-11-01").isoformat() == "2026-11-01T00:00:00+00:00"
    assert parse_time("2026-11-01T06:00+01:00").isoformat() == "2026-11-01T06:00:00+01:00"
