"""Photo-cpu: the preset for photographs beside its alternatives, on validation images of clothes and groceries.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_GROCERIES=FOLDER make bench NAME=photo_cpu

About ten minutes on one core for each alternative and set. Results are cached in `.bench/photo-cpu`, so an interrupted
run resumes; `python -m benchmarks.photo_cpu grocery probe` runs one. Images have the size at which a store has them
by default. The test splits are not read: the preset was chosen by these figures. Seconds are of one core, for training
alone; embedding or predicting an image takes some 20 ms on top.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.peers import BENCH
from benchmarks.photo_sets import PhotoSet, clothes, groceries
from benchmarks.starting_weights import DEVICE
from catalog.evaluation.data_efficiency import crossed_estimate
from catalog.storage.cores import num_cores
from ml.classifiers.predicting import predict
from ml.encoders.encoder import build, embed
from ml.pixels import decode_pixels
from ml.recipe_types import ClassifierRecipe, EncoderRecipe, fingerprint
from ml.recipes import PHOTO_CPU, PHOTO_CPU_ENCODER, PROBE
from ml.training.classification import Examples
from ml.training.finetuning import TrainingCallbacks, train_classifier

FOLDER = BENCH / "photo-cpu"
SETS: dict[str, Callable[[], PhotoSet]] = {"clothing": clothes, "grocery": groceries}
MAX_TRAINING_S = 720.0  # of one core: six minutes on two, which leaves four for the rest of a catalog
PRESET = "photo-cpu"


ALTERNATIVES: dict[str, tuple[EncoderRecipe, ClassifierRecipe]] = {
    PRESET: (PHOTO_CPU_ENCODER, PHOTO_CPU),
    "probe": (PHOTO_CPU_ENCODER, PROBE),
    "ten epochs": (PHOTO_CPU_ENCODER, replace(PHOTO_CPU, optimization=replace(PHOTO_CPU.optimization, epochs=10))),
    "views of 224 px": (PHOTO_CPU_ENCODER, replace(PHOTO_CPU, view_resolution=None)),
}


def main(chosen: list[str]) -> None:
    """Trains what has no result yet; publishes unless one alternative was chosen."""
    torch.set_num_threads(num_cores())
    FOLDER.mkdir(parents=True, exist_ok=True)
    if chosen:
        name, alternative = chosen
        print(result(name, alternative))
        return
    claims = [claim for name in SETS for alternative in ALTERNATIVES for claim in claims_of(name, alternative)]
    publish("photo_cpu", claims)


def claims_of(name: str, alternative: str) -> list[Claim]:
    """Returns the validation accuracy of an alternative with its interval, and the seconds of its training."""
    found = result(name, alternative)
    top1 = crossed_estimate(np.array([found["right"]], dtype=np.float64))
    subject = (
        f"{name}, {found['num_training']:,} training and {len(found['right']):,} validation images, `{alternative}`"
    )
    training = f"{subject}: training on one core"
    return [
        figure(f"{subject}: top-1 (95 % within {top1.low:.3f} to {top1.high:.3f})", top1.value, ""),
        at_most(training, found["core_s"], MAX_TRAINING_S, "s")
        if alternative == PRESET
        else figure(training, found["core_s"], "s"),
    ]


def result(name: str, alternative: str) -> dict[str, Any]:
    """Trains an alternative and evaluates it on validation images, or reads its result of an earlier run."""
    encoder, recipe = ALTERNATIVES[alternative]
    path = FOLDER / f"{name}-{alternative.replace(' ', '-')}-{fingerprint(encoder)[:8]}-{fingerprint(recipe)[:8]}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    found = trained(SETS[name](), encoder, recipe) | {"encoder": asdict(encoder), "classifier": asdict(recipe)}
    path.write_text(json.dumps(found))
    return found


def trained(photos: PhotoSet, encoder_recipe: EncoderRecipe, recipe: ClassifierRecipe) -> dict[str, Any]:
    """Returns which validation images (num,) are predicted right after training, and what the training took."""
    encoder = build(encoder_recipe)
    pixels = decode_pixels(photos.images, encoder.resolution, num_cores(), fit=encoder.fit)
    training, validation = photos.rows("train"), photos.rows("val")
    started = time.process_time()
    inputs = embed(encoder, pixels[training], DEVICE) if recipe.mode == "probe" else pixels[training]
    examples = Examples(inputs=inputs, labels=photos.levels[training])
    callbacks = TrainingCallbacks(on_epoch=lambda metrics: print(metrics, flush=True))
    classifier = train_classifier(recipe, encoder, examples, DEVICE, callbacks).classifier
    core_s = time.process_time() - started
    best = predict(classifier, pixels[validation], DEVICE)[-1].ids[:, 0]
    right = (best == photos.leaves[validation]).astype(int).tolist()
    return {"right": right, "core_s": core_s, "num_training": len(training)}


if __name__ == "__main__":
    main(sys.argv[1:])
