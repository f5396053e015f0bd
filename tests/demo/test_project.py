"""The demo's project: a file that every command reads, and feeds that are written once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from demo.__main__ import write_feeds
from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, FashionMnist
from demo.project_file import project_text, write_project_file
from resources.project_file import PROJECT_FILE, ProjectFile
from resources.recipes import planned, project_recipes

BOTH = pytest.mark.parametrize("is_full", [False, True], ids=["light", "full"])


@BOTH
def test_every_recipe_of_the_plan_exists(tmp_path: Path, is_full: bool) -> None:
    write_project_file(tmp_path, is_full=is_full)
    project = ProjectFile.read(tmp_path / PROJECT_FILE)
    plan, recipes = planned(project), project_recipes(project)
    assert set(plan["encoders"]) <= set(recipes.encoders)
    assert set(plan["classifiers"]) <= set(recipes.classifiers)
    assert {"searches", "students", "ensembles", "shares"} <= set(plan) or not is_full


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_text("timeout_s = 3\n")
    write_project_file(tmp_path, is_full=True)
    assert (tmp_path / PROJECT_FILE).read_text() == "timeout_s = 3\n"


@BOTH
def test_the_project_passes_the_settings_of_every_command(tmp_path: Path, is_full: bool) -> None:
    (tmp_path / PROJECT_FILE).write_text(project_text(is_full=is_full))
    code = "from resources.settings import Settings; print(Settings.read().allowed_networks)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "127.0.0.1/32\n"


def test_feeds_of_another_demo_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_PROJECT", str(tmp_path))
    write_project_file(tmp_path, is_full=False)
    data = FashionMnist(
        train_images=np.zeros((NUM_TRAIN, 28, 28), np.uint8),
        train_labels=np.arange(NUM_TRAIN, dtype=np.uint32).astype(np.uint8) % 10,
        test_images=np.zeros((NUM_TEST, 28, 28), np.uint8),
        test_labels=np.arange(NUM_TEST, dtype=np.uint32).astype(np.uint8) % 10,
    )
    write_feeds(tmp_path, data, 140)
    feeds = {path: path.stat().st_mtime_ns for path in (tmp_path / "inbox").rglob("*.*")}
    assert len(feeds) == 10
    write_feeds(tmp_path, data, 140)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "inbox").rglob("*.*")} == feeds
    with pytest.raises(ValueError, match=r"has another demo .* set PROJECT="):
        write_feeds(tmp_path, data, 280)
