"""First estimates: a step measured on this device times the rows of feeds, before any run has measured more."""

import json
from pathlib import Path

import pytest
import torch

from catalog.feeds.deliveries import Delivery, Part
from ml.recipes import PHOTO_CPU
from resources.compute import Compute
from resources.recipe_costs import FILE, RecipeCosts
from resources.settings import Settings
from resources.store import Store
from shelfsight.cli.first_estimates import FirstEstimates

EMBED_S, TRAIN_S = 0.01, 0.04


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a feed of two parts, and a measured step of the backbone of `photo-cpu`."""
    store = Store(root=str(tmp_path))
    for number, num_rows in ((1, 600), (2, 400)):
        part = Part(number=number, num_parts=2, num_rows=num_rows)
        Delivery(
            key=f"a.b.{number}", partner_id="a", feed="a/b.csv", feed_format="csv", sha256="0", num_bytes=1,
            received_at="2026-01-01", part=part,
        ).save(store.delivery_records)  # fmt: skip
    with Compute(device="cpu").session():  # with the threads of the command, which times depend on
        key = RecipeCosts(store.scratch / FILE, torch.device("cpu"))._timing("tf_efficientnet_lite0", 224)
    store.scratch.mkdir(parents=True, exist_ok=True)
    (store.scratch / FILE).write_text(json.dumps({key: {"embed_s": EMBED_S, "train_s": TRAIN_S}}))
    return store


def test_encoding_takes_a_forward_pass_of_each_row(store: Store) -> None:
    found = FirstEstimates(Settings(device="cpu"), store).of("encode", "photo-cpu")
    assert found is not None
    assert found[0] == pytest.approx(1_000 * EMBED_S)
    assert found[1] == (
        "1,000 images, as many as feeds have rows, 1 epoch at 100 images/s, a step measured on this device"
    )


def test_training_takes_the_epochs_of_the_training_split_at_the_size_of_its_views(store: Store) -> None:
    found = FirstEstimates(Settings(device="cpu"), store).of("train", "photo-cpu")
    assert found is not None
    assert PHOTO_CPU.view_resolution is not None
    size = (PHOTO_CPU.view_resolution / 224) ** 2
    assert found[0] == pytest.approx(700 * PHOTO_CPU.optimization.epochs * TRAIN_S * size)
    assert found[1].startswith("700 labels, 70% of the rows of feeds times the recipe's share, ")


@pytest.mark.parametrize(("job", "key"), [("ingest", "a.b.1"), ("train", "imagenet-lite0-probe"), ("train", "quick")])
def test_what_no_step_decides_is_not_estimated(store: Store, job: str, key: str) -> None:
    assert FirstEstimates(Settings(device="cpu"), store).of(job, key) is None


def test_a_store_without_feeds_has_no_estimate(tmp_path: Path) -> None:
    assert FirstEstimates(Settings(device="cpu"), Store(root=str(tmp_path))).of("encode", "photo-cpu") is None
