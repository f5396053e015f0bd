"""Promoted files and deployments under another's hash, and runs that decide at once: named, and nothing is lost."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from upath import UPath

import catalog_assets.evaluation.champion as champion_module
import catalog_assets.evaluation.champion_decisions as module
from catalog.storage.commits import ConflictError
from catalog_assets.evaluation.champion import FILE, name_champion
from catalog_assets.evaluation.champion_decisions import DecidingRun, decide_on_candidate
from catalog_assets.evaluation.decisions_table import TABLE, Decisions, append_decision, read_decisions
from catalog_assets.evaluation.promoted import WEIGHTS_FILE, keep, promoted_classifier, promoted_record
from catalog_assets.serving.pointer import pointer_path, put_in_use, read_pointer, repair_alias
from ml.deployment.deployment import METADATA_FILE, current_folder
from resources.mlflow.serving import MODEL
from resources.mlflow.tracking import CURRENT, Tracking
from resources.store import Store
from tests.faults import crash_scenarios

A, B = (hashlib.sha256(text.encode()).hexdigest() for text in ("weights a", "weights b"))
SAME_START = A[:16] + "0" * 48


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store"))


def files_of(folder: Path, sha256: str, weights: str) -> list[Path]:
    """The files of a classifier after its training."""
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS_FILE).write_text(weights)
    (folder / "classifier.json").write_text(json.dumps({"sha256": sha256, "trainable_labels": 600}))
    return [folder / WEIGHTS_FILE, folder / "classifier.json"]


def kept(store: Store, tmp_path: Path, sha256: str = A, weights: str = "weights a") -> Path:
    keep(store, sha256, pl.DataFrame({"product_id": ["p"]}), files_of(tmp_path / "trained", sha256, weights))
    return store.local / TABLE / sha256[:16]


def test_a_classifier_is_kept_and_read_under_its_hash(store: Store, tmp_path: Path) -> None:
    folder = kept(store, tmp_path)
    assert promoted_classifier(store, A) == folder
    assert (folder / WEIGHTS_FILE).read_text() == "weights a"


@pytest.mark.parametrize("weights", ["weights b", "", "weights a "], ids=["another's", "empty", "longer"])
def test_weights_of_another_training_are_not_kept_under_the_hash_that_was_evaluated(
    store: Store, tmp_path: Path, weights: str
) -> None:
    found = hashlib.sha256(weights.encode()).hexdigest()
    with pytest.raises(
        dg.Failure, match=rf"weights.safetensors' is of {found}, but {A} was evaluated: .* trained again"
    ):
        kept(store, tmp_path, A, weights)
    assert not (store.local / TABLE / A[:16] / WEIGHTS_FILE).exists()


def test_a_record_of_another_training_is_not_kept_under_the_hash_that_was_evaluated(
    store: Store, tmp_path: Path
) -> None:
    files = files_of(tmp_path / "trained", B, "weights a")
    with pytest.raises(dg.Failure, match=rf"classifier.json' is of {B}, but {A} was evaluated"):
        keep(store, A, pl.DataFrame({"product_id": ["p"]}), files)
    assert store.read_json(TABLE, A[:16], "classifier.json") is None


def test_two_hashes_that_begin_alike_do_not_share_a_folder(store: Store, tmp_path: Path) -> None:
    folder = kept(store, tmp_path)
    with pytest.raises(dg.Failure, match=rf"is kept for {A}, so {SAME_START} cannot be kept there"):
        kept(store, tmp_path, SAME_START, "weights b")
    assert (folder / WEIGHTS_FILE).read_text() == "weights a"


@pytest.mark.parametrize("damage", ["weights b", "weights a\n", ""], ids=["another's", "one byte more", "empty"])
def test_kept_weights_that_have_changed_are_an_error_that_names_both_hashes(
    store: Store, tmp_path: Path, damage: str
) -> None:
    (kept(store, tmp_path) / WEIGHTS_FILE).write_text(damage)
    found = hashlib.sha256(damage.encode()).hexdigest()
    with pytest.raises(dg.Failure, match=rf"is kept as {A}, but has the hash {found}; bring the promoted file back"):
        promoted_classifier(store, A)


def test_a_kept_record_of_another_classifier_is_an_error_that_names_both_hashes(store: Store, tmp_path: Path) -> None:
    (kept(store, tmp_path) / "classifier.json").write_text(json.dumps({"sha256": B}))
    with pytest.raises(dg.Failure, match=rf"is kept as {A}, but is the record of {B}; bring the promoted files back"):
        promoted_record(store, A)


def test_kept_weights_that_are_gone_are_named(store: Store, tmp_path: Path) -> None:
    (kept(store, tmp_path) / WEIGHTS_FILE).unlink()
    with pytest.raises(
        dg.Failure, match=r"the champion's weights are not at '.*weights\.safetensors'; bring them back"
    ):
        promoted_classifier(store, A)


def row(candidate: str, *, promoted: bool = True, sha256: str = A) -> dict[str, Any]:
    return {
        "decided_at": datetime.now(UTC),
        "candidate": candidate,
        "candidate_sha256": sha256,
        "promoted": promoted,
        "reason": "it is better",
        "version": "1",
    }


def test_of_two_decisions_by_the_same_table_the_second_is_refused_and_the_first_stays(store: Store) -> None:
    read = read_decisions(store)
    append_decision(store, read, row("one"))
    with pytest.raises(ConflictError, match=r"data\.parquet' was changed by another process"):
        append_decision(store, read, row("two"))
    assert read_decisions(store).rows["candidate"].to_list() == ["one"]


def test_a_decision_that_is_added_meanwhile_is_read_and_both_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def decide(comparison: object, store: Store, tracking: object, run: object) -> tuple[Decisions, str]:
        read = read_decisions(store)
        attempts.append(len(read.rows))
        if len(attempts) == 1:
            append_decision(store, read, row("other"))  # of another run
        return append_decision(store, read, row("mine")), "reason"

    monkeypatch.setattr(module, "_decide", decide)
    with dg.DagsterInstance.ephemeral() as instance:
        run = DecidingRun(instance=instance, run_id="run")
        decisions, _ = decide_on_candidate(pl.LazyFrame(), store, Tracking(uri="", artifacts=""), run)
    assert attempts == [0, 1]
    assert decisions.rows["candidate"].to_list() == ["other", "mine"]
    assert read_decisions(store).rows.equals(decisions.rows)


def test_others_that_decide_all_the_time_end_in_an_error_and_lose_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(comparison: object, store: Store, tracking: object, run: object) -> tuple[Decisions, str]:
        read = read_decisions(store)
        append_decision(store, read, row(f"other {len(read.rows)}"))
        return append_decision(store, read, row("mine")), "reason"

    monkeypatch.setattr(module, "_decide", decide)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(ConflictError, match="run this again"):
        run = DecidingRun(instance=instance, run_id="run")
        decide_on_candidate(pl.LazyFrame(), store, Tracking(uri="", artifacts=""), run)
    assert len(read_decisions(store).rows) == module.MAX_ATTEMPTS


@pytest.mark.parametrize("moment", ["before the file", "before the aliases", "after the aliases"])
def test_a_champion_decided_while_the_former_one_is_named_is_named_in_the_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    kept(store, tmp_path)
    kept(store, tmp_path, B, "weights b")
    append_decision(store, read_decisions(store), row("one"))
    named: list[str | None] = []

    def newer_decision() -> None:
        if len(read_decisions(store).rows) == 1:
            append_decision(store, read_decisions(store), row("two", sha256=B) | {"version": "2"})

    def set_aliases(tracking: object, versions: dict[str, str | None]) -> None:
        if moment == "before the aliases":
            newer_decision()
        named.append(versions["champion"])
        if moment == "after the aliases":
            newer_decision()

    commit = champion_module.commit

    def write(path: UPath, content: bytes, *, replacing: bytes | None) -> None:
        if moment == "before the file" and len(read_decisions(store).rows) == 1:
            newer_decision()
            name_champion(store, Tracking(uri="", artifacts=""))  # the run of the newer one ends before this one writes
        commit(path, content, replacing=replacing)

    monkeypatch.setattr(champion_module, "set_aliases", set_aliases)
    monkeypatch.setattr(champion_module, "commit", write)
    assert name_champion(store, Tracking(uri="", artifacts=""))["classifier"] == "two"
    assert (store.read_json(*FILE) or {})["classifier"] == "two"
    assert named[-1] == "2"
    assert named != ["1"]


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=str(tmp_path / "artifacts"))


def deploy(store: Store, tracking: Tracking, name: str, former: Any = None) -> None:
    """Put a deployment of one file in use."""
    client = tracking.client()
    experiment = client.get_experiment_by_name("shelfsight")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment("shelfsight")
    candidate = store.scratch / "cache" / "deployment" / name
    candidate.mkdir(parents=True)
    facts = {"variant": "onnx", "classifier": name, "classifier_sha256": A}
    (candidate / METADATA_FILE).write_text(json.dumps(facts))
    put_in_use(
        store, tracking, client.create_run(experiment_id).info.run_id, candidate, facts, former or read_pointer(store)
    )


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.mlflow.serving.save_served", crash_scenarios._save_served)


def current(tracking: Tracking) -> str:
    """The classifier of the version that the alias `current` names."""
    client = tracking.client()
    return str(client.get_model_version_by_alias(MODEL, CURRENT).tags["classifier"])


def test_of_two_deployments_at_once_the_first_stays_in_use_everywhere(store: Store, tracking: Tracking) -> None:
    deploy(store, tracking, "one")
    read = read_pointer(store)
    deploy(store, tracking, "two")
    with pytest.raises(ConflictError, match=r"current\.json' was changed by another process"):
        deploy(store, tracking, "three", read)
    assert current_folder(store.local).name == "two"
    assert current(tracking) == "two"
    assert read_pointer(store).record["former"] == "one"


def test_an_alias_that_a_kill_has_left_behind_is_repaired(store: Store, tracking: Tracking) -> None:
    deploy(store, tracking, "one")
    former = read_pointer(store).record["version"]
    deploy(store, tracking, "two")
    tracking.make_current(MODEL, former)
    repair_alias(store, tracking)
    assert current(tracking) == "two"


def test_a_deployment_of_an_earlier_version_of_the_program_has_nothing_to_repair(
    store: Store, tracking: Tracking
) -> None:
    store.write_json({"folder": "old", "former": None}, "deployment", "current.json")
    repair_alias(store, tracking)
    assert current_folder(store.local) == store.local / "deployment" / "old"


@pytest.mark.parametrize("damage", ["{}", '{"classifier": "two"}', ""], ids=["empty", "another's", "no JSON"])
def test_metadata_that_are_not_those_put_in_use_are_an_error_that_names_both(
    store: Store, tracking: Tracking, damage: str
) -> None:
    deploy(store, tracking, "one")
    wanted = json.loads(pointer_path(store).read_text())["sha256"]
    (current_folder(store.local) / METADATA_FILE).write_text(damage)
    found = hashlib.sha256(damage.encode()).hexdigest()
    with pytest.raises(ValueError, match=rf"has the fingerprint {found}, but .*current.json was written for {wanted}"):
        current_folder(store.local)
