"""`shelfsight recipes`: the project's recipes and all presets with their size and time; a new recipe is a partition."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ml.training.step_timing import StepTime
from resources.compute import Compute
from resources.recipe_costs import DENSE, DEPTHWISE, FILE, RecipeCosts
from resources.recipe_set import KINDS
from resources.recipes import PRESETS
from resources.settings import Settings, variable_of
from shelfsight.cli.command import main

PROJECT = '[encoders.own]\nextends = "random-mnv3"\nresolution = 64\n'
CPU = torch.device("cpu")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, in which the networks that estimates start from were measured before."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.setenv("SHELFSIGHT_DEVICE", "cpu")
    monkeypatch.setenv("SHELFSIGHT_STORE", str(tmp_path))
    with Compute(device="cpu").session():  # with the threads of the command, which times depend on
        costs = RecipeCosts(tmp_path / FILE, CPU)
        times = {costs._timing(*known): {"embed_s": 0.01, "train_s": 0.03} for known in (DENSE, DEPTHWISE)}
    (tmp_path / FILE).write_text(json.dumps(times))
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["recipes", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_preset_is_listed_with_the_size_and_the_time_of_its_backbone(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = listed(capsys)
    assert found["images"] == 10_000
    assert found["device"].startswith("cpu")
    rows = {(row["kind"], row["name"]): row for row in found["recipes"]}
    assert set(rows) == {(kind, name) for kind in KINDS for name in getattr(PRESETS, kind)}
    # Published: 5.7 GMACs and 23.8 M parameters with a classifier of 2.0 M; ViT-S/16 has 4.6 GMACs and 22 M.
    inception = rows["classifiers", "inception-v3-299-finetune"]
    assert (inception["resolution"], inception["million_parameters"], inception["gmacs"]) == (299, 21.79, 5.711)
    assert rows["encoders", "vit-s16-224"]["gmacs"] == pytest.approx(4.6, abs=0.05)
    assert {row["basis"] for row in rows.values()} == {"estimated", None}
    resnet_gmacs = 1.814  # of DENSE
    assert inception["seconds_an_epoch"] == pytest.approx(10_000 * 0.03 * 5.711 / resnet_gmacs, rel=0.01)
    assert rows["encoders", "inception-v3-299"]["seconds_an_epoch"] == pytest.approx(
        inception["seconds_an_epoch"] / 3, rel=0.01
    )
    simclr, swav = rows["encoders", "simclr-mnv3"], rows["encoders", "swav-mnv3"]
    assert swav["seconds_an_epoch"] == pytest.approx(
        1.5 * simclr["seconds_an_epoch"], rel=0.05
    )  # 4 views of half a side
    assert rows["ensembles", "vote"]["backbone"] is None


def test_a_measured_step_takes_the_place_of_an_estimate_and_is_kept(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = RecipeCosts(store / FILE, CPU)
    measured = costs.measure("mobilenetv3_small_050", 48)
    assert 0 < measured.embed_s < 10
    assert 0 < measured.train_s < 10
    assert RecipeCosts(store / FILE, CPU).measured("mobilenetv3_small_050", 48) == measured
    row = next(row for row in listed(capsys)["recipes"] if row["name"] == "random-mnv3")
    assert row["basis"] == "measured"
    assert row["seconds_an_epoch"] == pytest.approx(10_000 * measured.embed_s, abs=0.1)
    assert costs.measured("mobilenetv3_small_050", 64) is None
    assert isinstance(costs.estimate("mobilenetv3_small_050", 64), StepTime)


def test_people_read_a_table(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("device     cpu, ")
    assert [line.split()[:3] for line in lines if "convnext-t-224-finetune" in line] == [
        ["preset", "classifiers", "convnext-t-224-finetune"]
    ]


def partitions(project: Path) -> list[str]:
    """Returns the partitions of encoders as a code location has them after a (re)load."""
    code = "from catalog_assets.partitions import encoder_recipes; print(*encoder_recipes.get_partition_keys())"
    environment = {**os.environ, "SHELFSIGHT_PROJECT": str(project)}
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return loaded.stdout.split()


def test_a_recipe_added_to_the_file_is_a_partition_after_a_reload(tmp_path: Path) -> None:
    project = tmp_path / "shelfsight.toml"
    project.write_text(PROJECT)
    assert partitions(project) == ["own"]
    project.write_text(PROJECT + '[encoders.photos]\nextends = "convnext-t-224"\nweights = "random"\n')
    assert partitions(project) == ["own", "photos"]


def test_of_a_recipe_for_each_preset_and_two_mistakes_the_check_names_the_mistakes(tmp_path: Path) -> None:
    project = tmp_path / "shelfsight.toml"
    tables = [f'[{kind}."own-{name}"]\nextends = "{name}"\n' for kind in KINDS for name in getattr(PRESETS, kind)]
    project.write_text(
        "images.short_side_px = 518\n" + "".join(tables) + '[encoders.b]\nextends = "vit-s16-224"\nresolution = 225\n'
        '[classifiers.c]\nextends = "inception-v3-299-finetune"\ndrop_path = 0.2\n'
    )
    code = "from shelfsight.cli.command import main; import sys; sys.exit(main(['check', '--json']))"
    environment = {**os.environ, "SHELFSIGHT_PROJECT": str(project), "OMP_NUM_THREADS": "1"}
    environment.pop("SHELFSIGHT_STORE", None)
    checked = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 1, checked.stderr
    problems = [each for each in json.loads(checked.stdout)["problems"] if each.startswith("[")]
    assert [each.split(" cannot")[0].split(" has no")[0] for each in problems] == [
        "[encoders.b] backbone 'vit_small_patch16_224.augreg_in21k'",
        "[classifiers.c] backbone 'inception_v3.tf_in1k'",
    ]
