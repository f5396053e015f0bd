"""Deploying: a classifier exported, its forms timed and judged on this machine, and the best of them made to answer."""

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

from ml.artefacts import write_flushed
from ml.classifiers.calibration import fit_temperature
from ml.classifiers.classifier import Classifier
from ml.classifiers.conformal import BestPaths, conformal_threshold
from ml.classifiers.hierarchy import Ids
from ml.deployment.deployment import FACTS_FILE
from ml.deployment.exporting import export
from ml.deployment.variants import VARIANTS, Machine, Runner
from ml.file_digests import file_sha256
from ml.pixels import Chosen, PixelRows

MAX_LOST_POINTS = 0.5  # of top-1 on validation pictures, beside the classifier as it was trained
NUM_JUDGED = 2_048  # pictures at most that every form answers for
NUM_CALIBRATION = 320  # pictures that tell how far activations go
MIN_GAIN = 1.1  # how much faster than the form that answers now another has to be: a machine's pace wavers
NUM_WARM_UP, NUM_TIMED = 2, 9  # batches
PLAIN = "torch"


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Labelled validation pictures: pixels (num, 3, side, side), uint8, and labels (num, num_levels), root first.

    Those that `fits`, (num,), fit the temperature; the others choose the thresholds.
    """

    pixels: PixelRows
    labels: Ids
    fits: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is asked of a deployment: coverages to choose thresholds for, and the form in which its classifier answers.

    That form stays unless another is clearly faster, since every answer of another form is a new one.
    """

    coverages: Sequence[float]
    answering: str | None = None


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form of the classifier on this machine, beside the plain one: speed, accuracy, size."""

    variant: str
    pictures_per_s: float
    top1: float
    lost_points: float
    bytes: int

    @property
    def is_good(self) -> bool:
        """Whether it answers nearly as well as the plain one."""
        return self.lost_points <= MAX_LOST_POINTS


def deploy(
    classifier: Classifier,
    folder: Path,
    validation: Validation,
    machine: Machine,
    terms: Terms,
    facts: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Write a deployment into a folder and return its facts; `facts` are the caller's own, and go along.

    Raises:
        ValueError: too few validation pictures to fit a temperature by and to choose thresholds by.
    """
    fits = validation.fits
    if not (fits.any() and not fits.all()):
        raise ValueError(
            f"{fits.sum()} validation pictures to fit a temperature, {(~fits).sum()} to choose thresholds; each needs "
            "some: label some validation products"
        )
    pixels = validation.pixels
    judged = spread(len(pixels), NUM_JUDGED)
    export(classifier, folder, pixels[spread(len(pixels), NUM_CALIBRATION)])
    targets = classifier.hierarchy.encode(validation.labels)
    forms, runners = forms_of(folder, Chosen(pixels, judged), targets[judged, -1], machine)
    chosen = choice(forms, terms.answering)
    said = runners[chosen.variant](pixels)
    temperature = fit_temperature(said[fits], targets[fits, -1])
    paths = BestPaths.at_temperature(said[~fits], temperature, classifier.hierarchy)
    scores = paths.scores(targets[~fits])
    written: dict[str, Any] = {
        **facts,
        "resolution": classifier.encoder.resolution,
        "level_ids": classifier.hierarchy.ids,
        "level_parents": classifier.hierarchy.parents,
        "temperature": temperature,
        "thresholds": {f"{each:g}": conformal_threshold(scores, each) for each in terms.coverages},
        "num_validation": len(pixels),
        "num_judged": len(judged),
        "variant": chosen.variant,
        "forms": [asdict(form) for form in forms],
        "machine": {**asdict(machine), "processor": platform.processor() or platform.machine()},
        "files": {
            file: file_sha256(folder / file)
            for file in sorted({file for each in VARIANTS.values() for file in each.files})
        },
    }
    write_flushed(folder / FACTS_FILE, (json.dumps(written, indent=2, sort_keys=True) + "\n").encode())
    return written


def forms_of(
    folder: Path, pixels: PixelRows, targets: NDArray[np.int64], machine: Machine
) -> tuple[list[Form], dict[str, Runner]]:
    """Every form that this device runs, the plain one first, and what runs it."""
    names = [name for name, each in VARIANTS.items() if machine.device in each.devices]
    runners = {name: VARIANTS[name].loaded(folder, machine) for name in names}
    right = {name: float((run(pixels).argmax(axis=1) == targets).mean()) for name, run in runners.items()}
    batch = np.ascontiguousarray(pixels[np.arange(machine.batch_size) % len(pixels)])
    forms = [
        Form(
            variant=name,
            pictures_per_s=machine.batch_size / _batch_s(run, batch),
            top1=right[name],
            lost_points=100 * (right[PLAIN] - right[name]),
            bytes=sum((folder / file).stat().st_size for file in VARIANTS[name].files),
        )
        for name, run in runners.items()
    ]
    return forms, runners


def choice(forms: Sequence[Form], answering: str | None = None) -> Form:
    """The fastest good form; where one is `answering`, that one, unless the fastest is `MIN_GAIN` times as fast."""
    good = [form for form in forms if form.is_good]
    fastest = max(good, key=lambda form: form.pictures_per_s)
    stays = (form for form in good if form.variant == answering)
    former = next(stays, fastest)
    return fastest if fastest.pictures_per_s >= MIN_GAIN * former.pictures_per_s else former


def _batch_s(run: Runner, batch: NDArray[np.uint8]) -> float:
    """Seconds of a batch: the median."""
    taken = []
    for _ in range(NUM_WARM_UP + NUM_TIMED):
        started = time.perf_counter()
        run(batch)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[NUM_WARM_UP:])


def spread(num: int, most: int) -> NDArray[np.intp]:
    """At most so many positions of `num`, evenly spread."""
    return np.unique(np.linspace(0, num - 1, min(num, most)).astype(np.intp))
