"""`shelfsight run` and `shelfsight check` over a project: what is missing or stale is made, and nothing else."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from rich.console import Console

from catalog_assets.flow import PlannedRun
from resources.settings import Settings, variable_of
from shelfsight.cli.command import main
from shelfsight.cli.run import ShownProgress
from tests.conftest import CLASSIFIERS, ENCODERS, SHARES, TinyCatalog

PLAN = {"encoders": ENCODERS, "classifiers": CLASSIFIERS, "shares": SHARES}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an empty project; nothing is set in the environment but where it is."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    path = tmp_path / "shelfsight.toml"
    path.touch()
    monkeypatch.setenv("SHELFSIGHT_PROJECT", str(path))
    return path


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The JSON output of a command that succeeds."""
    assert main([*words, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_a_run_makes_what_is_missing_and_nothing_that_is_up_to_date(
    tiny_catalog: TinyCatalog, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = tiny_catalog.copy(project.parent)
    for name in ("inbox", "reference"):  # a project has them beside its file
        (catalog.root / name).rename(project.parent / name)
    project.write_text("[plan]\n" + "".join(f"{key} = {json.dumps(names)}\n" for key, names in PLAN.items()))
    nothing = {"seconds": 0, "runs": 0, "of unknown cost": 0}
    assert printed(capsys, "run", "--dry-run") == {"would run": [], "total": nothing, "problems with feeds": []}
    assert printed(capsys, "run") == {"runs": 0, "failed deliveries": {}, "problems with feeds": []}

    with dg.DagsterInstance.from_config(str(catalog.home)) as instance:
        instance.wipe_assets([dg.AssetKey("comparison")])
    planned = printed(capsys, "run", "--dry-run")["would run"]
    assert planned[0]["run"] == "compare"
    assert "comparison" in planned[0]["assets"]
    assert planned[0]["seconds"] > 0
    assert planned[-1]["run"] == "refresh"  # of the warehouse, which has a view of it
    assert printed(capsys, "run", "--until", "dataset")["runs"] == 0
    assert printed(capsys, "run", "--only", "compare")["runs"] == 1
    assert "compare" not in [each["run"] for each in printed(capsys, "run", "--dry-run")["would run"]]


def test_an_empty_project_would_take_its_feeds_the_whole_way(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feed = project.parent / "inbox" / "hansen" / "spring.tsv"
    feed.parent.mkdir(parents=True)
    feed.write_text("id\ttitle\timage_link\n1\tShoe\thttp://a.example/1.jpg\n")
    project.write_text('[plan]\nencoders = ["imagenet-lite0"]\nclassifiers = ["imagenet-lite0-probe"]\n')
    planned = printed(capsys, "run", "--dry-run")
    runs = [each["run"] for each in planned["would run"]]
    assert runs[:3] == ["prepare", "ingest[hansen.spring]", "assemble"]
    assert "train[imagenet-lite0-probe]" in runs
    assert "categorize[hansen.spring]" in runs
    assert not (project.parent / "store" / "products").exists()
    # Of the networks, a step is measured; the rest is unknown until its first run.
    (known,) = [each for each in planned["would run"] if each["seconds"] is not None]
    assert known["run"] == "encode[imagenet-lite0]"
    assert known["basis"].startswith("1 images, as many as feeds have rows, 1 epoch at ")
    assert planned["total"] == {"seconds": known["seconds"], "runs": len(runs), "of unknown cost": len(runs) - 1}


def test_a_delivery_that_fails_and_a_feed_that_is_refused_are_named_and_fail_the_command(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox, reference = project.parent / "inbox" / "hansen", project.parent / "reference"
    for folder in (inbox, reference):
        folder.mkdir(parents=True)
    (reference / "taxonomy.txt").write_text("# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n")
    (inbox / "spring.tsv").write_text("id\ttitle\timage_link\n1\tShoe\thttp://a.example/1.jpg\n")
    (inbox / "summer.doc").touch()
    project.write_text('[plan]\nencoders = ["imagenet-lite0"]\n')
    assert main(["run", "--until", "ingest", "--json"]) == 1
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert "partners.toml" in found["failed deliveries"]["hansen.spring"]
    assert "summer.doc" in "\n".join(found["problems with feeds"])
    assert "2 deliveries or feeds failed" in output.err


def test_progress_has_the_whole_name_of_a_run_and_of_its_failure() -> None:
    """Brackets are no markup."""
    shown = io.StringIO()
    with dg.DagsterInstance.ephemeral() as instance:
        progress = ShownProgress(instance, Console(file=shown, width=200))
        run = PlannedRun("train", "imagenet-lite0-probe", ("classifiers",))
        progress.skipped(run)
        progress.starting(run)
        progress.ended(run, 1.25, "add one to [plan] of shelfsight.toml")
    lines = shown.getvalue()
    assert "1 up to date" in lines
    assert "train[imagenet-lite0-probe] 1.2 s failed: add one to [plan] of shelfsight.toml" in lines


def test_an_unknown_stage_is_refused_with_the_known(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project.write_text('[plan]\nencoders = ["imagenet-lite0"]\n')
    assert main(["run", "--until", "encodersx"]) == 1
    assert "the plan has no stage 'encodersx'; similar names: encoders" in capsys.readouterr().err


def test_without_a_project_the_way_out_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SHELFSIGHT_PROJECT")
    project.unlink()
    monkeypatch.chdir(project.parent)
    assert main(["run"]) == 1
    assert "no shelfsight.toml in this folder or above it; make a project by" in capsys.readouterr().err


def test_check_lists_every_problem_with_its_table(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project.write_text(
        '[encoders.a]\nextends = "imagenet-lite0"\nbackbone = "resnet5"\n'
        '[encoders.b]\nextends = "imagenet-lite0"\nweights = "gone.pt"\n'
        '[encoders.c]\nextends = "simclr-mnv3"\npretraining = {method = "simclrr"}\n'
        '[encoders.large]\nextends = "imagenet-lite0"\nresolution = 288\n'
        '[classifiers.d]\nextends = "imagenet-lite0-probe"\nheads = "many"\nloss = "much"\n'
    )
    (project.parent / "inbox" / "hansen").mkdir(parents=True)
    (project.parent / "inbox" / "hansen" / "spring.doc").touch()
    environment = {**os.environ, "SHELFSIGHT_PROJECT": str(project)}
    command = [sys.executable, "-m", "shelfsight", "check", "--json"]  # recipes are read as a process starts
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    problems = "\n".join(json.loads(done.stdout)["problems"])
    for words in (
        "[encoders.a] unknown backbone 'resnet5'; timm knows similar names: resnet5",
        "[encoders.b] has weights = 'gone.pt', which is no file",
        "[encoders.large] has the resolution 288 px, but images are stored with a short side of 256 px at most",
        "[encoders.c] has pretraining.method = 'simclrr'; similar names: simclr",
        "[classifiers.d] has heads = 'many'",
        "[classifiers.d] has loss = 'much'",
        "no taxonomy at",
        "spring.doc",
    ):
        assert words in problems
    assert "problems in the project" in done.stderr


def test_recipes_of_the_project_are_partitions(project: Path) -> None:
    project.write_text(
        '[encoders.own]\nextends = "imagenet-lite0"\n'
        '[classifiers.probe]\nextends = "imagenet-lite0-probe"\nencoder = "own"\n'
    )
    code = (
        "from catalog_assets.partitions import classifier_recipes, encoder_recipes; "
        "print(encoder_recipes.get_partition_keys(), classifier_recipes.get_partition_keys())"
    )
    environment = {**os.environ, "SHELFSIGHT_PROJECT": str(project)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "['own'] ['probe']"
