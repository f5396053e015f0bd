"""Variants: one contract for every runtime and precision of a deployed classifier."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS
from ml.deployment.deploy import MAX_LOST_POINTS, DeploymentCriteria, Validation, deploy
from ml.deployment.deployment import METADATA_FILE, Deployment
from ml.deployment.exporting import export
from ml.deployment.variants import VARIANTS, Machine, variant_named
from ml.encoders.encoder import build
from ml.training.classification import Examples
from ml.training.finetuning import train_classifier
from tests.ml.deployment.all_heads import AllHeads, alone, leaves_of
from tests.ml.deployment.random_deployment import random_classifier
from tests.ml.tiny import RESOLUTION, TINY_ENCODER, TINY_FINETUNE, striped

CPU = torch.device("cpu")
MACHINE = Machine(batch_size=16)
ON_CPU = [name for name, each in VARIANTS.items() if "cpu" in each.devices]
# Of log-probabilities from 0 to about -10: float32 in another order, 8 bits of mantissa, 8 bits in total.
MAX_DIFFERENCE = {"torch": 1e-6, "onnx": 1e-3, "openvino-bf16": 0.2, "openvino-int8": 1.0}
COVERAGES = (0.8, 0.9)


def validation_of(num: int) -> Validation:
    images, labels = striped(num, seed=1)
    return Validation(pixels=images, labels=labels, fits=np.arange(num) % 8 < 4)


@pytest.fixture(scope="module")
def trained() -> Classifier:
    images, labels = striped(96)
    recipe = replace(TINY_FINETUNE, optimization=replace(TINY_FINETUNE.optimization, epochs=20))
    encoder = build(replace(TINY_ENCODER, fit="pad"))
    return train_classifier(recipe, encoder, Examples(inputs=images, labels=labels), CPU).classifier


@pytest.fixture(scope="module")
def validation() -> Validation:
    return validation_of(80)


@pytest.fixture(scope="module")
def deployed(trained: Classifier, validation: Validation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployment")
    deploy(trained, folder, validation, MACHINE, DeploymentCriteria(coverages=COVERAGES), {"classifier": "tiny"})
    return folder


@pytest.fixture
def copied(deployed: Path, tmp_path: Path) -> Iterator[Path]:
    for file in deployed.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    yield tmp_path


def test_the_contract_covers_every_variant() -> None:
    assert set(MAX_DIFFERENCE) == set(ON_CPU)


@pytest.fixture(scope="module")
def all_heads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Classifier, Path]]:
    """A random classifier with all heads, and the folder of its one export."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HEADS, "all", AllHeads)
        classifier = random_classifier("all")
        folder = tmp_path_factory.mktemp("all-heads")
        export(classifier, folder, striped(40)[0])
        yield classifier, folder


@pytest.mark.parametrize("name", ON_CPU)
def test_every_variant_computes_the_log_probabilities_of_the_classifier(
    all_heads: tuple[Classifier, Path], name: str
) -> None:
    classifier, folder = all_heads
    images, _ = striped(40)
    computed = VARIANTS[name].loaded(folder, MACHINE)(images)  # two batches of 16 and one of 8
    assert computed.dtype == np.float32
    for heads in HEADS:
        if heads == "all":
            continue
        with torch.no_grad():
            expected = alone(classifier, heads).log_probabilities(torch.from_numpy(images))[-1].numpy()
        own = leaves_of(torch.from_numpy(computed), heads).numpy()
        assert np.abs(own - expected).max() < MAX_DIFFERENCE[name], heads
        np.testing.assert_allclose(np.exp(own).sum(axis=1), 1, rtol=0.02, err_msg=heads)


def test_the_fastest_accurate_variant_is_chosen_and_its_calibration_stored(deployed: Path) -> None:
    facts = json.loads((deployed / METADATA_FILE).read_text())
    good = [each for each in facts["variants"] if each["lost_points"] <= MAX_LOST_POINTS]
    assert facts["variant"] == max(good, key=lambda each: each["images_per_s"])["variant"]
    assert {each["variant"] for each in facts["variants"]} == set(ON_CPU)
    assert facts["classifier"] == "tiny"
    assert set(facts["thresholds"]) == {"0.8", "0.9"}


def test_a_deployment_has_the_fit_of_its_encoder_and_one_of_an_earlier_version_crops(copied: Path) -> None:
    assert Deployment.load(copied, MACHINE).fit == "pad"
    facts = json.loads((copied / METADATA_FILE).read_text())
    del facts["fit"]
    (copied / METADATA_FILE).write_text(json.dumps(facts))
    assert Deployment.load(copied, MACHINE).fit == "crop"


def test_predictions_are_right_as_often_as_the_requested_coverage(deployed: Path) -> None:
    deployment = Deployment.load(deployed, MACHINE)
    images, labels = striped(200, seed=2)
    predictions = deployment.predict(images, 0.9)
    assert len(predictions) == 200
    right = [
        depth == 0 or own[depth - 1] == category
        for depth, category, own in zip(predictions.depths, predictions.categories, labels, strict=True)
    ]
    assert np.mean(right) >= 0.85


def test_a_coverage_without_a_threshold_is_refused(deployed: Path) -> None:
    with pytest.raises(ValueError, match=r"no threshold for a coverage of 0\.5; known are 0\.8, 0\.9"):
        Deployment.load(deployed, MACHINE).predict(striped(1)[0], 0.5)


@pytest.mark.parametrize("name", ON_CPU)
def test_a_flipped_byte_is_refused(copied: Path, name: str) -> None:
    for file in VARIANTS[name].files:
        content = bytearray((copied / file).read_bytes())
        content[len(content) // 2] ^= 1
        (copied / file).write_bytes(content)
        with pytest.raises(ValueError, match=f"{file} has the fingerprint .*'deployment' again"):
            Deployment.load(copied, MACHINE, name)
        content[len(content) // 2] ^= 1
        (copied / file).write_bytes(content)
    assert Deployment.load(copied, MACHINE, name).predict(striped(3)[0], 0.9)


def test_a_missing_file_and_a_missing_deployment_have_different_errors(copied: Path, tmp_path: Path) -> None:
    (copied / "model.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.onnx is missing"):
        Deployment.load(copied, MACHINE, "onnx")
    with pytest.raises(FileNotFoundError, match=r"holds no deployment\.json; materialize"):
        Deployment.load(tmp_path / "nowhere", MACHINE)


def test_an_unknown_variant_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match="unknown variant 'openvino-int4'; similar names: openvino-int8"):
        variant_named("openvino-int4")


def test_a_device_that_does_not_run_the_variant_is_refused(deployed: Path) -> None:
    with pytest.raises(ValueError, match=r"variant onnx of .* does not run on 'cuda'"):
        Deployment.load(deployed, Machine(device="cuda"), "onnx")


def test_calibration_pixels_of_another_resolution_are_refused(trained: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"\(4, 3, 8, 8\); give \(num > 0, 3, {RESOLUTION}, {RESOLUTION}\)"):
        export(trained, tmp_path, np.zeros((4, 3, 8, 8), np.uint8))


def test_too_few_validation_images_are_refused(trained: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8 validation images fit the temperature and 0 choose the thresholds"):
        deploy(
            trained,
            tmp_path,
            replace(validation_of(8), fits=np.ones(8, bool)),
            MACHINE,
            DeploymentCriteria(coverages=COVERAGES),
            {},
        )


def test_prediction_imports_no_pytorch(deployed: Path) -> None:
    script = (
        "import sys, numpy as np\nfrom pathlib import Path\n"
        "from ml.deployment.deployment import Deployment\n"
        f"predictions = Deployment.load(Path({str(deployed)!r}), variant='openvino-bf16').predict("
        f"np.zeros((1, 3, {RESOLUTION}, {RESOLUTION}), np.uint8), 0.9)\n"
        "print(len(predictions), [name for name in ('torch', 'timm', 'polars', 'dagster') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "1 []"
