"""Variants: one contract for every form that a classifier is deployed in."""

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
from ml.deployment.deploying import MAX_LOST_POINTS, Terms, Validation, deploy
from ml.deployment.deployment import FACTS_FILE, Deployment
from ml.deployment.exporting import export
from ml.deployment.variants import VARIANTS, Machine, variant
from ml.encoders import build
from ml.training.classification import Examples
from ml.training.finetuning import train_classifier
from tests.ml.deployment.drawn import drawn_classifier
from tests.ml.tiny import RESOLUTION, TINY_ENCODER, TINY_FINETUNE, striped

CPU = torch.device("cpu")
MACHINE = Machine(batch_size=16)
ON_CPU = [name for name, each in VARIANTS.items() if "cpu" in each.devices]
# Of log-probabilities between 0 and some -10: float32 in another order, 8 bits of mantissa, 8 bits in all.
FARTHEST = {"torch": 1e-6, "onnx": 1e-3, "openvino-bf16": 0.2, "openvino-int8": 1.0}
COVERAGES = (0.8, 0.9)


def validation_of(num: int) -> Validation:
    pictures, labels = striped(num, seed=1)
    return Validation(pixels=pictures, labels=labels, fits=np.arange(num) % 8 < 4)


@pytest.fixture(scope="module")
def trained() -> Classifier:
    pictures, labels = striped(96)
    recipe = replace(TINY_FINETUNE, optimisation=replace(TINY_FINETUNE.optimisation, epochs=20))
    return train_classifier(recipe, build(TINY_ENCODER), Examples(inputs=pictures, labels=labels), CPU).classifier


@pytest.fixture(scope="module")
def validation() -> Validation:
    return validation_of(80)


@pytest.fixture(scope="module")
def deployed(trained: Classifier, validation: Validation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployment")
    deploy(trained, folder, validation, MACHINE, Terms(coverages=COVERAGES), {"classifier": "tiny"})
    return folder


@pytest.fixture
def copied(deployed: Path, tmp_path: Path) -> Iterator[Path]:
    for file in deployed.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    yield tmp_path


def test_the_contract_covers_every_variant() -> None:
    assert set(FARTHEST) == set(ON_CPU)


@pytest.mark.parametrize("heads", HEADS)
def test_every_variant_says_what_the_classifier_says(heads: str, tmp_path: Path) -> None:
    classifier = drawn_classifier(heads)
    pictures, _ = striped(40)
    export(classifier, tmp_path, pictures)
    with torch.no_grad():
        said = classifier.log_probabilities(torch.from_numpy(pictures))[-1].numpy()
    for name in ON_CPU:
        again = VARIANTS[name].loaded(tmp_path, MACHINE)(pictures)  # two batches of 16 and one of 8
        assert again.dtype == np.float32
        assert np.abs(again - said).max() < FARTHEST[name], name
        np.testing.assert_allclose(np.exp(again).sum(axis=1), 1, rtol=0.02, err_msg=name)


def test_the_fastest_of_the_good_forms_is_chosen_and_its_calibration_kept(deployed: Path) -> None:
    facts = json.loads((deployed / FACTS_FILE).read_text())
    good = [form for form in facts["forms"] if form["lost_points"] <= MAX_LOST_POINTS]
    assert facts["variant"] == max(good, key=lambda form: form["pictures_per_s"])["variant"]
    assert {form["variant"] for form in facts["forms"]} == set(ON_CPU)
    assert facts["classifier"] == "tiny"
    assert set(facts["thresholds"]) == {"0.8", "0.9"}


def test_answers_are_right_as_often_as_asked_for(deployed: Path) -> None:
    deployment = Deployment.load(deployed, MACHINE)
    pictures, labels = striped(200, seed=2)
    answers = deployment.answer(pictures, 0.9)
    assert len(answers) == 200
    right = [
        depth == 0 or own[depth - 1] == category
        for depth, category, own in zip(answers.depths, answers.categories, labels, strict=True)
    ]
    assert np.mean(right) >= 0.85


def test_a_coverage_without_a_threshold_is_refused(deployed: Path) -> None:
    with pytest.raises(ValueError, match=r"no threshold for a coverage of 0\.5; known are 0\.8, 0\.9"):
        Deployment.load(deployed, MACHINE).answer(striped(1)[0], 0.5)


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
    assert Deployment.load(copied, MACHINE, name).answer(striped(3)[0], 0.9)


def test_a_missing_file_and_a_missing_deployment_are_told_apart(copied: Path, tmp_path: Path) -> None:
    (copied / "model.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.onnx is missing"):
        Deployment.load(copied, MACHINE, "onnx")
    with pytest.raises(FileNotFoundError, match=r"holds no deployment\.json; materialise"):
        Deployment.load(tmp_path / "nowhere", MACHINE)


def test_an_unknown_variant_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown variant 'openvino-int4'; near are openvino-int8"):
        variant("openvino-int4")


def test_a_device_that_does_not_run_the_form_is_told(deployed: Path) -> None:
    with pytest.raises(ValueError, match="answers as onnx, which does not run on 'cuda'"):
        Deployment.load(deployed, Machine(device="cuda"), "onnx")


def test_pixels_of_another_resolution_cannot_calibrate(trained: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"\(4, 3, 8, 8\); give \(num > 0, 3, {RESOLUTION}, {RESOLUTION}\)"):
        export(trained, tmp_path, np.zeros((4, 3, 8, 8), np.uint8))


def test_too_few_validation_pictures_are_told(trained: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8 validation pictures to fit a temperature, 0 to choose thresholds"):
        deploy(
            trained, tmp_path, replace(validation_of(8), fits=np.ones(8, bool)), MACHINE, Terms(coverages=COVERAGES), {}
        )


def test_answering_loads_no_pytorch(deployed: Path) -> None:
    script = (
        "import sys, numpy as np\nfrom pathlib import Path\n"
        "from ml.deployment.deployment import Deployment\n"
        f"said = Deployment.load(Path({str(deployed)!r}), form='openvino-bf16').answer("
        f"np.zeros((1, 3, {RESOLUTION}, {RESOLUTION}), np.uint8), 0.9)\n"
        "print(len(said), [name for name in ('torch', 'timm', 'polars', 'dagster') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "1 []"
