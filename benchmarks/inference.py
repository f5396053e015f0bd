"""Inference: images per second of a deployed network compared with timm's, its lost accuracy, and the whole pipeline.

SHELFSIGHT_PHOTOGRAPHS=FOLDER make bench NAME=inference

Ten minutes on two cores, most of them for the classifier of the clothing photographs (`benchmarks.clothing`).
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import timm
import torch
from numpy.typing import NDArray
from upath import UPath

from benchmarks.claims import Claim, at_least, at_least_times, at_most, at_most_times, beside, figure, publish
from benchmarks.clothing import BY_HAND, ENCODER, Clothes, trained
from benchmarks.peers import BENCH
from benchmarks.processes import measure
from benchmarks.starting_weights import PHOTOGRAPHS, TAXONOMY
from catalog.storage.cores import num_cores
from catalog.taxonomy.tree import Taxonomy
from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.deployment.deploy import MAX_LOST_POINTS, DeploymentCriteria, Validation, deploy
from ml.deployment.deployment import Deployment, read_metadata
from ml.deployment.variants import VARIANTS, Machine
from ml.encoders.encoder import build
from ml.recipe_types import EncoderRecipe
from ml.recipes import IMAGENET_LITE0, RANDOM_MNV3

FOLDER = BENCH / "inference"
BATCH = 32
NUM_ROUNDS, NUM_WAYS, NUM_COMMANDS = 15, 3, 7
MAX_COMMAND_S = 3.0
REDUCED_PRECISION = ("openvino-bf16", "openvino-int8")
MIN_TIMES_ONNX = 2.5  # the chosen variant, of ONNX Runtime in float32: holds on processors without AMX, too
MIN_SHARE = 0.7  # of the network alone
MIN_STUDENT_PER_S = 1_000.0
MAX_STUDENT_SHARE = 0.25  # of its teacher's time
SHARD_ROWS = 1_000
WHAT = "tf_efficientnet_lite0 at 224 px, batch 32"


def main() -> None:
    """Trains, deploys, measures and publishes."""
    torch.set_num_threads(num_cores())
    clothes = Clothes()
    teacher = deployed(trained(clothes, BY_HAND), FOLDER / "teacher", clothes.pixels, clothes)
    small_teacher, student = (light(recipe, clothes) for recipe in (IMAGENET_LITE0, RANDOM_MNV3))
    images = shards()
    claims = [
        *network(teacher, clothes),
        *accuracy(teacher, clothes),
        *pipeline(teacher, student, images),
        as_deployed(small_teacher, student),
        command(teacher),
    ]
    publish("inference", claims)


def light(recipe: EncoderRecipe, clothes: Clothes) -> Path:
    """Deploys an untrained network of a recipe's backbone and resolution, for timing only."""
    template = Template(heads="flat", depth_weights=(1.0,))
    step = ENCODER.resolution // recipe.resolution
    side = step * recipe.resolution
    pixels = clothes.pixels[:, :, :side:step, :side:step]
    return deployed(
        Classifier(build(recipe), Hierarchy.of_labels(clothes.labels), template), FOLDER / recipe.name, pixels, clothes
    )


def deployed(classifier: Classifier, folder: Path, pixels: NDArray[np.uint8], clothes: Clothes) -> Path:
    """Deploys a classifier; its variants are evaluated on the validation senders."""
    chosen = clothes.validation
    validation = Validation(pixels=pixels[chosen], labels=clothes.labels[chosen], fits=np.arange(len(chosen)) % 2 == 0)
    record = deploy(
        classifier,
        folder,
        validation,
        Machine(num_threads=num_cores(), batch_size=BATCH),
        DeploymentCriteria(coverages=(0.9,)),
        {},
    )
    for each in record["variants"]:
        print(folder.name, each, "chosen" if each["variant"] == record["variant"] else "", flush=True)
    return folder


def network(folder: Path, clothes: Clothes) -> list[Claim]:
    """Measures the network alone: every variant and timm's eager model in turn."""
    machine = Machine(num_threads=num_cores(), batch_size=BATCH)
    batch = np.ascontiguousarray(clothes.pixels[clothes.test[:BATCH]])
    plain = timm.create_model(ENCODER.backbone, num_classes=len(clothes.names)).eval()
    images = torch.from_numpy(batch).float() / 255

    def eager() -> None:
        with torch.inference_mode():
            plain(images)

    steps: dict[str, Callable[[], object]] = {"timm": eager}
    for name, each in VARIANTS.items():
        if "cpu" in each.devices:
            run = each.loaded(folder, machine)
            steps[name] = lambda run=run: run(batch)
    per_s = {name: BATCH / seconds for name, seconds in fastest(steps).items()}
    print({name: round(value) for name, value in per_s.items()}, flush=True)
    chosen = read_metadata(folder)["variant"]
    subject = f"{WHAT}, the chosen variant ({chosen}), beside ONNX Runtime's float32"
    return [
        at_least_times(subject, per_s[chosen], per_s["onnx"], MIN_TIMES_ONNX, "images/s"),
        *(
            beside(f"{WHAT}, {name}, beside timm's eager float32", value, per_s["timm"], "images/s")
            for name, value in per_s.items()
            if name != "timm"
        ),
    ]


def fastest(steps: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Measures the seconds of each step, in turn, and returns the medians."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(NUM_ROUNDS):
        for name, step in steps.items():
            step()  # fills the caches again after another step
            started = time.perf_counter()
            step()
            taken[name].append(time.perf_counter() - started)
    return {name: float(np.median(each)) for name, each in taken.items()}


def accuracy(folder: Path, clothes: Clothes) -> list[Claim]:
    """Measures the accuracy that each variant loses on the photographs of test senders."""
    machine = Machine(num_threads=num_cores(), batch_size=BATCH)
    pixels, labels = clothes.pixels[clothes.test], clothes.labels[clothes.test, 0]
    right = {}
    for name in ("torch", *REDUCED_PRECISION):
        deployment = Deployment.load(folder, machine, name)
        best = deployment.hierarchy.decode(0, deployment.log_probabilities(pixels).argmax(axis=1))
        right[name] = float((best == labels).mean())
    return [
        at_most(
            f"clothing photographs, {len(labels):,} of test senders: top-1 points lost by {name}, from "
            f"{100 * right['torch']:.1f}",
            100 * (right["torch"] - right[name]),
            MAX_LOST_POINTS,
            "points",
        )
        for name in REDUCED_PRECISION
    ]


def pipeline(teacher: Path, student: Path, images: UPath) -> list[Claim]:
    """Measures the pipeline from stored JPEG shards to written predictions, beside the network alone on one core."""
    claims: list[Claim] = []
    for name, folder in (("lite0 at 224 px", teacher), ("a student, mobilenetv3_small_050 at 48 px", student)):
        rounds = [(network_alone(folder), *predicted(folder, images)) for _ in range(NUM_WAYS)]  # in turn
        alone, per_s, peak_mib = (float(np.median(each)) for each in zip(*rounds, strict=True))
        subject = f"{name}, from {num_images(images):,} stored photographs to written predictions"
        if folder == teacher:
            claims.append(
                at_least_times(f"{subject}, beside its network alone on one core", per_s, alone, MIN_SHARE, "images/s")
            )
        else:
            claims.append(at_least(subject, per_s, MIN_STUDENT_PER_S, "images/s"))
        claims.append(figure(f"{subject}: peak memory of all processes", peak_mib / 1024, "GiB"))
    return claims


def predicted(folder: Path, images: UPath) -> tuple[float, float]:
    """Measures images per second without the start, and peak MiB, of a process that predicts the shards."""
    result = FOLDER / "result.json"
    command = [sys.executable, "-m", "benchmarks.inference_ours", str(folder), str(images), str(result)]
    measured = measure(command, FOLDER / "ours.log")
    timing = json.loads(result.read_text())
    return timing["images"] / timing["seconds"], measured.peak_mib


def as_deployed(teacher: Path, student: Path) -> Claim:
    """Measures a student's network beside its teacher's, each in its chosen variant, as in the demo."""
    machine = Machine(num_threads=num_cores(), batch_size=BATCH)
    steps: dict[str, Callable[[], object]] = {}
    for name, folder in (("teacher", teacher), ("student", student)):
        deployment = Deployment.load(folder, machine)
        shape = (BATCH, 3, deployment.resolution, deployment.resolution)
        batch = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        steps[name] = lambda deployment=deployment, batch=batch: deployment.log_probabilities(batch)
    ms = {name: 1000 * seconds / BATCH for name, seconds in fastest(steps).items()}
    subject = "mobilenetv3_small_050 at 48 px beside lite0 at 64 px, the demo's student and its teacher, as deployed"
    return at_most_times(f"{subject}: ms an image", ms["student"], ms["teacher"], MAX_STUDENT_SHARE, "ms")


def command(deployment: Path) -> Claim:
    """Measures the command `shelfsight classify` on one image, from its start to its end."""
    store = FOLDER / "store"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(deployment, store / "deployment" / "current")
    (store / "deployment" / "current.json").write_text(json.dumps({"folder": "current"}))
    taxonomy = Taxonomy.read(UPath(TAXONOMY))
    paths = pl.DataFrame({"category_id": taxonomy.ids, "path": [taxonomy.path(each) for each in taxonomy.ids]})
    (store / "taxonomy").mkdir()
    paths.write_parquet(store / "taxonomy" / "data.parquet")
    image = next((PHOTOGRAPHS / "images").glob("*.jpg"))
    words = [sys.executable, "-m", "shelfsight", "classify", str(image), "--store", str(store), "--json"]
    taken = []
    for _ in range(NUM_COMMANDS):
        started = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    subject = "`shelfsight classify` of a photograph, lite0 at 224 px, process start included"
    return at_most(subject, float(np.median(taken)), MAX_COMMAND_S, "s")


def network_alone(folder: Path) -> float:
    """Measures images per second of the chosen variant with one thread, with decoded pixels."""
    deployment = Deployment.load(folder, Machine(num_threads=1, batch_size=BATCH))
    side = deployment.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 3, side, side), dtype=np.uint8)
    return BATCH / fastest({"alone": lambda: deployment.log_probabilities(pixels)})["alone"]


def shards() -> UPath:
    """Writes the photographs as a delivery's shards."""
    images = UPath(FOLDER / "images")
    images.mkdir(parents=True, exist_ok=True)
    files = sorted((PHOTOGRAPHS / "images").glob("*.jpg"))
    for start in range(0, len(files), SHARD_ROWS):
        part = files[start : start + SHARD_ROWS]
        pl.DataFrame(
            {
                "product_id": [file.stem for file in part],
                "image": [{"bytes": file.read_bytes(), "path": file.name} for file in part],
            }
        ).write_parquet(str(images / f"shard-{start // SHARD_ROWS:05}.parquet"))
    return images


def num_images(images: UPath) -> int:
    """Counts the images of the shards."""
    return int(pl.scan_parquet(str(images / "*.parquet")).select(pl.len()).collect().item())


if __name__ == "__main__":
    main()
