"""Retention: what is listed, what is removed, and what has to stay for a champion's sake."""

import json
import os
import time
from pathlib import Path

import dagster as dg
import pytest

from catalog_assets.automation.retention import retain
from catalog_assets.flow import QUIET
from ml.recipes import CLASSIFIER_RECIPES, ENCODER_RECIPES
from resources.artifacts.deployments import CANDIDATES
from resources.artifacts.retention import DAY_S
from resources.policies import GatePolicy
from resources.store import Store

ENCODER, CLASSIFIER = next(iter(ENCODER_RECIPES)), next(iter(CLASSIFIER_RECIPES))
CHAMPIONS = ["a" * 64, "b" * 64, "c" * 64]  # in the order in which they were deployed


def put(store: Store, *parts: str, days: float = 30.0, content: str = "{}") -> Path:
    path = store.local.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    for each in (path, path.parent):
        os.utime(each, (time.time() - days * DAY_S,) * 2)
    return path


@pytest.fixture
def kept(store: Store) -> list[Path]:
    """Writes files that have to be kept at any age."""
    champion = json.dumps({"recipe": {"encoder": "retired", "distillation": {"teacher": "several"}}})
    members = json.dumps({"members": {"retired-teacher": "sha256"}})
    return [
        put(store, "encoders", ENCODER, "weights.safetensors"),
        put(store, "encoders", "retired", "encoder.json", content=json.dumps({"parent": "older"})),
        put(store, "encoders", "older", "encoder.json"),
        put(store, "classifiers", CLASSIFIER, "classifier.json"),
        put(store, "predictions", f"classifier={CLASSIFIER}", "split=val", "data.parquet"),
        put(store, "champion_decisions", CHAMPIONS[0][:16], "classifier.json", content=champion),
        put(store, "ensembles", "ensemble=several", "ensemble.json", content=members),
        put(store, "classifiers", "retired-teacher", "classifier.json"),
        put(store, "deployment", CHAMPIONS[1][:16], "deployment.json"),
        put(store, "deployment", CHAMPIONS[2][:16], "deployment.json"),
        put(
            store,
            "deployment",
            "current.json",
            content=json.dumps({"folder": CHAMPIONS[2][:16], "former": CHAMPIONS[1][:16]}),
        ),
        put(store, "students", "student-mnv3", "checkpoint.pt"),  # a training that was cut off
        put(store, "students", "student=student-mnv3", "data.parquet"),
        put(store, "encoders", "unknown-but-young", "weights.safetensors", days=1),
        put(store, "images", "delivery=a", ".young.part", days=1),
    ]


@pytest.fixture
def gone(store: Store) -> list[Path]:
    """Writes files that may be removed."""
    return [
        put(store, "encoders", "forgotten", "weights.safetensors"),
        put(store, "embeddings", "encoder=forgotten", "data.parquet"),
        put(store, "students", "forgotten", "weights.safetensors"),
        put(store, "students", "student=forgotten", "data.parquet"),
        put(store, "predictions", "classifier=forgotten", "data.parquet"),
        put(store, "deployment", CHAMPIONS[0][:16], "deployment.json"),
        put(store, *CANDIDATES.split("/"), CHAMPIONS[2][:16], "deployment.json"),
        put(store, "encoders", ENCODER, "checkpoint.pt", days=40),
        put(store, "images", "delivery=a", ".0123.part"),
    ]


def run(store: Store, instance: dg.DagsterInstance, **config: object) -> dict[str, object]:
    configured = {**QUIET, "ops": {"remove_superseded": {"config": config}}}
    result = retain.execute_in_process(
        run_config=configured, instance=instance, resources={"store": store, "gate_policy": GatePolicy()}
    )
    [event] = [each for each in result.all_events if each.event_type_value == "STEP_OUTPUT"]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_a_dry_run_lists_and_removes_nothing(
    store: Store, instance: dg.DagsterInstance, kept: list[Path], gone: list[Path]
) -> None:
    put(store, "encoders", ENCODER, "encoder.json")  # written after the checkpoint
    listed = str(run(store, instance)["superseded"])
    for path in gone:
        folder = path if path.name.startswith((".", "checkpoint")) else path.parent
        assert str(folder.relative_to(store.local)) in listed, path
    assert all(path.exists() for path in (*kept, *gone))


def test_applied_it_removes_what_it_listed_and_nothing_else(
    store: Store, instance: dg.DagsterInstance, kept: list[Path], gone: list[Path]
) -> None:
    put(store, "encoders", ENCODER, "encoder.json")
    listed = run(store, instance)
    removed = run(store, instance, apply=True)
    assert removed["superseded"] == listed["superseded"]
    assert (removed["removed"], listed["removed"]) == (True, False)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    assert run(store, instance)["bytes"] == 0


def test_an_empty_store_has_nothing_to_remove(store: Store, instance: dg.DagsterInstance) -> None:
    store.local.mkdir(parents=True)
    assert run(store, instance, apply=True)["bytes"] == 0
