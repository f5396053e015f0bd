"""Own photographs, from a folder to an evaluated champion and exported categories, by the commands of the tutorial."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from resources.store import Store
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.end_to_end
DATA = REPOSITORY.parent / "shared" / "data"
TUTORIAL = (REPOSITORY / "docs" / "tutorial.md").read_text()
NOT_HERE = ("pip install", "shelfsight up")  # the package is installed, and test_new_project serves a project
NUM_LABELS, NUM_OF_EACH = 3, 40
# Of photographs at a low resolution, within seconds.
QUICK = """
[encoders.quick]
extends = "imagenet-lite0"
resolution = 96

[classifiers.quick]
extends = "imagenet-lite0-probe"
encoder = "quick"

[plan]
classifiers = ["quick"]
"""


def needs(name: str) -> pytest.MarkDecorator:
    """Skips where the photographs are not there."""
    return pytest.mark.skipif(not (DATA / name).is_dir(), reason=f"no {name} photographs at {DATA / name}")


def sample(name: str, photos: Path, split: str | None = None) -> None:
    """Copies some images of the most frequent labels, and their rows of the table."""
    with (DATA / name / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["label"]]
    frequent = [label for label, _ in Counter(row["label"] for row in rows).most_common(NUM_LABELS)]
    chosen: list[dict[str, Any]] = []
    for label in frequent:
        of_label = [row for row in rows if row["label"] == label]
        num_splits = len({row["split"] for row in of_label}) if split else 1
        for value in sorted({row["split"] for row in of_label}) if split else [None]:
            of_split = [row for row in of_label if value is None or row["split"] == value]
            chosen += of_split[: NUM_OF_EACH // num_splits]
    for row in chosen:
        (photos / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / name / row["path"], photos / row["path"])
    with (photos / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, chosen[0])
        writer.writeheader()
        writer.writerows(chosen)


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command of a page that is run here."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            command = line.removeprefix("$ ").partition("  #")[0]
            if not command.startswith(NOT_HERE):
                yield shlex.split(command)


def run(words: Sequence[str], folder: Path) -> str:
    """Runs a command of the package and returns its output; it has to succeed."""
    assert words[0] == "shelfsight"
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def make_quick(folder: Path) -> None:
    """Replaces the plan of a new project by one of seconds; its preset is measured by a benchmark."""
    file = folder / "shelfsight.toml"
    settings, _, _ = file.read_text().partition("[plan]")
    file.write_text(f"{settings}{QUICK}")


@needs("clothing")
def test_the_commands_of_the_tutorial_make_a_catalog(module_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHELFSIGHT_STORE", "DAGSTER_HOME", "SHELFSIGHT_ALLOWED_NETWORKS"):
        monkeypatch.delenv(name, raising=False)
    folder = module_folder
    sample("clothing", folder / "photos")
    for words in commands(TUTORIAL):
        if words[0] == "cd":
            folder = folder / words[1]
            make_quick(folder)
        else:
            run(words, folder)
    exported = pl.read_csv(folder / "catalog.csv")
    assert len(exported) == NUM_LABELS * NUM_OF_EACH
    assert exported["product_id"].n_unique() == len(exported)
    predicted = pl.read_csv(folder / "predictions.csv")
    assert set(predicted["status"]) == {"ok"}
    assert len(predicted) == NUM_LABELS * NUM_OF_EACH
    store = Store(root=str(folder / "store"))
    dataset = store.scan("dataset").join(store.scan("products").select("product_id", "item_group_id"), on="product_id")
    senders = dataset.group_by("item_group_id").agg(pl.col("split").n_unique()).collect()
    assert senders["split"].max() == 1  # nobody's photographs stand on both sides of a split
    assert len(senders) > 5


@needs("grocery")
def test_labels_of_several_levels_and_splits_of_a_table_are_kept(
    module_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHELFSIGHT_STORE", "DAGSTER_HOME", "SHELFSIGHT_ALLOWED_NETWORKS"):
        monkeypatch.delenv(name, raising=False)
    photos = module_folder / "groceries"
    sample("grocery", photos, split="split")
    run(["shelfsight", "init", "shop", "--yes"], module_folder)
    folder = module_folder / "shop"
    make_quick(folder)
    run(["shelfsight", "import", str(photos), "--labels", str(photos / "labels.csv")], folder)
    assert json.loads(run(["shelfsight", "check", "--json"], folder))["problems"] == []
    run(["shelfsight", "run", "--until", "compare"], folder)
    store = Store(root=str(folder / "store"))
    assert set(store.scan("dataset").collect()["split"]) == {"train", "val", "test"}
    grid = store.scan("comparison").collect()
    assert set(grid["split"]) == {"test"}
    assert grid["top1"].item() > 0.5
