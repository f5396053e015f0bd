"""Inference: what a deployed network answers a second, beside timm as it comes, what it loses, and the whole way.

SHELFSIGHT_PHOTOGRAPHS=FOLDER make bench NAME=inference

Ten minutes on two cores, of which most go into the classifier of the clothing photographs (`benchmarks.clothing`).
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
from catalog.taxonomy import Taxonomy
from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.deployment.deploying import MAX_LOST_POINTS, Terms, Validation, deploy
from ml.deployment.deployment import Deployment
from ml.deployment.variants import VARIANTS, Machine
from ml.encoders import build
from ml.recipe_types import EncoderRecipe
from ml.recipes import IMAGENET_LITE0, RANDOM_MNV3
from resources.compute import num_cores

PLACE = BENCH / "inference"
BATCH = 32
NUM_ROUNDS, NUM_WAYS, NUM_COMMANDS = 15, 3, 7
MAX_COMMAND_S = 3.0
MIN_TIMES = {"openvino-bf16": 12.0, "openvino-int8": 16.0}
MIN_SHARE = 0.7  # of the network alone
MIN_STUDENT_PER_S = 1_000.0
MAX_STUDENT_SHARE = 0.25  # of its teacher's time
SHARD_ROWS = 1_000
WHAT = "tf_efficientnet_lite0 at 224 px, batch 32"


def main() -> None:
    """Train, deploy, measure, publish."""
    torch.set_num_threads(num_cores())
    clothes = Clothes()
    teacher = deployed(trained(clothes, BY_HAND), PLACE / "teacher", clothes.pixels, clothes)
    small_teacher, student = (light(recipe, clothes) for recipe in (IMAGENET_LITE0, RANDOM_MNV3))
    images = shards()
    claims = [
        *network(teacher, clothes),
        *accuracy(teacher, clothes),
        *whole_way(teacher, student, images),
        as_deployed(small_teacher, student),
        command(teacher),
    ]
    publish("inference", claims)


def light(recipe: EncoderRecipe, clothes: Clothes) -> Path:
    """A deployed network of a recipe's backbone and resolution; what it would have learned takes no time."""
    template = Template(heads="flat", depth_weights=(1.0,))
    step = ENCODER.resolution // recipe.resolution
    side = step * recipe.resolution
    pixels = clothes.pixels[:, :, :side:step, :side:step]
    return deployed(
        Classifier(build(recipe), Hierarchy.of_labels(clothes.labels), template), PLACE / recipe.name, pixels, clothes
    )


def deployed(classifier: Classifier, folder: Path, pixels: NDArray[np.uint8], clothes: Clothes) -> Path:
    """A deployment whose forms were judged by validation senders."""
    chosen = clothes.validation
    validation = Validation(pixels=pixels[chosen], labels=clothes.labels[chosen], fits=np.arange(len(chosen)) % 2 == 0)
    facts = deploy(
        classifier, folder, validation, Machine(num_threads=num_cores(), batch_size=BATCH), Terms(coverages=(0.9,)), {}
    )
    for form in facts["forms"]:
        print(folder.name, form, "chosen" if form["variant"] == facts["variant"] else "", flush=True)
    return folder


def network(folder: Path, clothes: Clothes) -> list[Claim]:
    """The network alone: every form in turn, timm's own beside them."""
    machine = Machine(num_threads=num_cores(), batch_size=BATCH)
    batch = np.ascontiguousarray(clothes.pixels[clothes.test[:BATCH]])
    plain = timm.create_model(ENCODER.backbone, num_classes=len(clothes.names)).eval()
    pictures = torch.from_numpy(batch).float() / 255

    def eager() -> None:
        with torch.inference_mode():
            plain(pictures)

    steps: dict[str, Callable[[], object]] = {"timm": eager}
    for name, each in VARIANTS.items():
        if "cpu" in each.devices:
            run = each.loaded(folder, machine)
            steps[name] = lambda run=run: run(batch)
    per_s = {name: BATCH / seconds for name, seconds in fastest(steps).items()}
    print({name: round(value) for name, value in per_s.items()}, flush=True)
    claims: list[Claim] = []
    for name, value in per_s.items():
        if name in MIN_TIMES:
            what = f"{WHAT}, {name}, beside timm's eager float32"
            claims.append(at_least_times(what, value, per_s["timm"], MIN_TIMES[name], "pictures/s"))
        elif name != "timm":
            claims.append(beside(f"{WHAT}, {name}, beside timm's eager float32", value, per_s["timm"], "pictures/s"))
    return claims


def fastest(steps: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each step: taken in turn, the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(NUM_ROUNDS):
        for name, step in steps.items():
            step()  # what another one left in the caches is gone
            started = time.perf_counter()
            step()
            taken[name].append(time.perf_counter() - started)
    return {name: float(np.median(each)) for name, each in taken.items()}


def accuracy(folder: Path, clothes: Clothes) -> list[Claim]:
    """What each form loses on the photographs of test senders."""
    machine = Machine(num_threads=num_cores(), batch_size=BATCH)
    pixels, labels = clothes.pixels[clothes.test], clothes.labels[clothes.test, 0]
    right = {}
    for name in ("torch", *MIN_TIMES):
        said = Deployment.load(folder, machine, name)
        best = said.hierarchy.decode(0, said.log_probabilities(pixels).argmax(axis=1))
        right[name] = float((best == labels).mean())
    return [
        at_most(
            f"clothing photographs, {len(labels):,} of test senders: points of top-1 that {name} loses of "
            f"{100 * right['torch']:.1f}",
            100 * (right["torch"] - right[name]),
            MAX_LOST_POINTS,
            "points",
        )
        for name in MIN_TIMES
    ]


def whole_way(teacher: Path, student: Path, images: UPath) -> list[Claim]:
    """From stored JPEG shards to written predictions, beside the network alone on one core."""
    claims: list[Claim] = []
    for name, folder in (("lite0 at 224 px", teacher), ("a student, mobilenetv3_small_050 at 48 px", student)):
        rounds = [(network_alone(folder), *labelled(folder, images)) for _ in range(NUM_WAYS)]  # in turn
        alone, per_s, peak_mib = (float(np.median(each)) for each in zip(*rounds, strict=True))
        what = f"{name}, from {num_pictures(images):,} stored photographs to written predictions"
        if folder == teacher:
            claims.append(
                at_least_times(f"{what}, beside its network alone on one core", per_s, alone, MIN_SHARE, "pictures/s")
            )
        else:
            claims.append(at_least(what, per_s, MIN_STUDENT_PER_S, "pictures/s"))
        claims.append(figure(f"{what}: peak memory of all processes", peak_mib / 1024, "GiB"))
    return claims


def labelled(folder: Path, images: UPath) -> tuple[float, float]:
    """Pictures a second without the start, and peak MiB, of a process that labels the shards."""
    answer = PLACE / "answer.json"
    command = [sys.executable, "-m", "benchmarks.inference_ours", str(folder), str(images), str(answer)]
    measured = measure(command, PLACE / "ours.log")
    told = json.loads(answer.read_text())
    return told["pictures"] / told["seconds"], measured.peak_mib


def as_deployed(teacher: Path, student: Path) -> Claim:
    """A student's network beside its teacher's, each in its fastest good form, as the demo has them."""
    machine = Machine(num_threads=num_cores(), batch_size=BATCH)
    steps: dict[str, Callable[[], object]] = {}
    for name, folder in (("teacher", teacher), ("student", student)):
        said = Deployment.load(folder, machine)
        batch = np.random.default_rng(0).integers(0, 256, (BATCH, 3, said.resolution, said.resolution), dtype=np.uint8)
        steps[name] = lambda said=said, batch=batch: said.log_probabilities(batch)
    ms = {name: 1000 * seconds / BATCH for name, seconds in fastest(steps).items()}
    what = "mobilenetv3_small_050 at 48 px beside lite0 at 64 px, the demo's student and its teacher, as deployed"
    return at_most_times(f"{what}: ms a picture", ms["student"], ms["teacher"], MAX_STUDENT_SHARE, "ms")


def command(deployment: Path) -> Claim:
    """The command `shelfsight classify` on a picture that no feed has seen: from its start to its end."""
    store = PLACE / "store"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(deployment, store / "deployment" / "current")
    (store / "deployment" / "current.json").write_text(json.dumps({"folder": "current"}))
    taxonomy = Taxonomy.read(UPath(TAXONOMY))
    paths = pl.DataFrame({"category_id": taxonomy.ids, "path": [taxonomy.path(each) for each in taxonomy.ids]})
    (store / "taxonomy").mkdir()
    paths.write_parquet(store / "taxonomy" / "data.parquet")
    picture = next((PHOTOGRAPHS / "images").glob("*.jpg"))
    words = [sys.executable, "-m", "shelfsight", "classify", str(picture), "--store", str(store), "--json"]
    taken = []
    for _ in range(NUM_COMMANDS):
        started = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    what = "`shelfsight classify` of a photograph, lite0 at 224 px, process start included"
    return at_most(what, float(np.median(taken)), MAX_COMMAND_S, "s")


def network_alone(folder: Path) -> float:
    """Pictures a second of the chosen form with one thread, pixels at hand."""
    deployment = Deployment.load(folder, Machine(num_threads=1, batch_size=BATCH))
    side = deployment.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 3, side, side), dtype=np.uint8)
    return BATCH / fastest({"alone": lambda: deployment.log_probabilities(pixels)})["alone"]


def shards() -> UPath:
    """The photographs as a delivery's shards lie in the store."""
    images = UPath(PLACE / "images")
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


def num_pictures(images: UPath) -> int:
    """How many the shards hold."""
    return int(pl.scan_parquet(str(images / "*.parquet")).select(pl.len()).collect().item())


if __name__ == "__main__":
    main()
