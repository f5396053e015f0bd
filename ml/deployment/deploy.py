"""Deploys a classifier: exports it, times and evaluates its variants on this machine, and chooses one of them."""

import json
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.artifacts import write_flushed
from ml.classifiers.calibration import fit_temperature
from ml.classifiers.classifier import Classifier
from ml.classifiers.conformal import BestPaths, conformal_threshold
from ml.classifiers.hierarchy import Ids
from ml.deployment.deployment import METADATA_FILE
from ml.deployment.exporting import export
from ml.deployment.variants import VARIANTS, Machine, Runner
from ml.file_digests import file_sha256
from ml.pixels import PixelsLike, PixelSubset

MAX_LOST_POINTS = 0.5  # of top-1 on validation images, relative to the classifier as it was trained
MAX_EVALUATED = 2_048  # validation images on which the variants are compared
MAX_CALIBRATION = 320  # images that set the ranges of activations in 8 bits
MIN_SPEEDUP = 1.1  # over the current variant, to replace it: timings vary
NUM_WARM_UP, NUM_TIMED = 2, 9  # batches
PLAIN = "torch"


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Labeled validation images: pixels (num, 3, side, side), uint8, and labels (num, num_levels), root first.

    Images where `fits`, (num,), is true fit the temperature; the others choose the thresholds.
    """

    pixels: PixelsLike
    labels: Ids
    fits: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class DeploymentCriteria:
    """The coverages to choose thresholds for, and the variant in which this classifier is already deployed.

    That variant stays unless another is clearly faster, because all predictions have to be made again after a change.
    """

    coverages: Sequence[float]
    current_variant: str | None = None


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """A variant's speed, accuracy and size on this machine; `lost_points` of top-1 are relative to plain PyTorch."""

    variant: str
    images_per_s: float
    top1: float
    lost_points: float
    bytes: int

    @property
    def is_good(self) -> bool:
        """True if it is nearly as accurate as plain PyTorch."""
        return self.lost_points <= MAX_LOST_POINTS


def deploy(
    classifier: Classifier,
    folder: Path,
    validation: Validation,
    machine: Machine,
    criteria: DeploymentCriteria,
    facts: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Write a deployment into a folder and return its facts.

    Args:
        classifier: the trained classifier.
        folder: made if missing.
        validation: images that calibrate and compare the variants.
        machine: the device, threads and batch size to deploy for.
        criteria: coverages and the current variant.
        facts: the caller's own, stored along with the deployment's.

    Raises:
        ValueError: there is no validation image to fit the temperature on, or none to choose thresholds on.
    """
    fits = validation.fits
    if not (fits.any() and not fits.all()):
        raise ValueError(
            f"{fits.sum()} validation images fit the temperature and {(~fits).sum()} choose the thresholds; both need "
            "at least one: label some validation products"
        )
    pixels = validation.pixels
    evaluated = evenly_spaced(len(pixels), MAX_EVALUATED)
    export(classifier, folder, pixels[evenly_spaced(len(pixels), MAX_CALIBRATION)])
    targets = classifier.hierarchy.encode(validation.labels)
    results, runners = variant_results(folder, PixelSubset(pixels, evaluated), targets[evaluated, -1], machine)
    chosen = choose_variant(results, criteria.current_variant)
    log_probabilities = runners[chosen.variant](pixels)
    temperature = fit_temperature(log_probabilities[fits], targets[fits, -1])
    paths = BestPaths.at_temperature(log_probabilities[~fits], temperature, classifier.hierarchy)
    scores = paths.scores(targets[~fits])
    written: dict[str, Any] = {
        **facts,
        "resolution": classifier.encoder.resolution,
        "fit": classifier.encoder.fit,
        "level_ids": classifier.hierarchy.ids,
        "level_parents": classifier.hierarchy.parents,
        "temperature": temperature,
        "thresholds": {f"{each:g}": conformal_threshold(scores, each) for each in criteria.coverages},
        "num_validation": len(pixels),
        "num_evaluated": len(evaluated),
        "variant": chosen.variant,
        "variants": [asdict(result) for result in results],
        "machine": {**asdict(machine), "processor": platform.processor() or platform.machine()},
        "files": {
            file: file_sha256(folder / file)
            for file in sorted({file for each in VARIANTS.values() for file in each.files})
        },
    }
    write_flushed(folder / METADATA_FILE, (json.dumps(written, indent=2, sort_keys=True) + "\n").encode())
    return written


def variant_results(
    folder: Path, pixels: PixelsLike, targets: NDArray[np.int64], machine: Machine
) -> tuple[list[VariantResult], dict[str, Runner]]:
    """Time and evaluate every variant that runs on this device.

    Args:
        folder: with the exported files.
        pixels: (num, 3, side, side), uint8.
        targets: leaf classes, (num,).
        machine: the device, threads and batch size.

    Returns:
        The results, plain PyTorch first, and a runner of each variant by its name.
    """
    names = [name for name, each in VARIANTS.items() if machine.device in each.devices]
    runners = {name: VARIANTS[name].loaded(folder, machine) for name in names}
    top1 = {name: float((run(pixels).argmax(axis=1) == targets).mean()) for name, run in runners.items()}
    batch = np.ascontiguousarray(pixels[np.arange(machine.batch_size) % len(pixels)])
    results = [
        VariantResult(
            variant=name,
            images_per_s=machine.batch_size / _batch_s(run, batch),
            top1=top1[name],
            lost_points=100 * (top1[PLAIN] - top1[name]),
            bytes=sum((folder / file).stat().st_size for file in VARIANTS[name].files),
        )
        for name, run in runners.items()
    ]
    return results, runners


def choose_variant(results: Sequence[VariantResult], current_variant: str | None = None) -> VariantResult:
    """Return the fastest good variant, or the current one if it is good and nearly as fast (`MIN_SPEEDUP`)."""
    good = [result for result in results if result.is_good]
    fastest = max(good, key=lambda result: result.images_per_s)
    current = next((result for result in good if result.variant == current_variant), fastest)
    return fastest if fastest.images_per_s >= MIN_SPEEDUP * current.images_per_s else current


def _batch_s(run: Runner, batch: NDArray[np.uint8]) -> float:
    """Return the median seconds of a batch."""
    seconds = []
    for _ in range(NUM_WARM_UP + NUM_TIMED):
        started = time.perf_counter()
        run(batch)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[NUM_WARM_UP:])


def evenly_spaced(num: int, max_num: int) -> NDArray[np.intp]:
    """Return at most `max_num` positions among `num`, evenly spaced."""
    return np.unique(np.linspace(0, num - 1, min(num, max_num)).astype(np.intp))
