"""Fashion-MNIST, whole: a classifier fine-tuned on all 60,000 labels, on the official test set.

make bench NAME=fashion_mnist

Three quarters of an hour on two cores. The classifier is cached in `.bench/fashion-mnist`, and an interrupted run
resumes; its minutes are device minutes over all attempts. The recipe was not chosen on the test set.
"""

import json
from collections.abc import Mapping

import torch

from benchmarks.claims import at_least, at_most, publish
from benchmarks.peers import BENCH
from benchmarks.starting_weights import DEVICE, fashion
from catalog.evaluation.data_efficiency import crossed_estimate
from catalog.storage.cores import num_cores
from ml.classifiers.classifier import Classifier
from ml.classifiers.predicting import predict
from ml.encoders.encoder import build
from ml.recipe_types import fingerprint
from ml.recipes import FINETUNE_IMAGENET, IMAGENET_LITE0
from ml.training.classification import Examples
from ml.training.finetuning import TrainingCallbacks, train_classifier

MIN_TOP1, MAX_MINUTES = 0.945, 60.0
FOLDER = BENCH / "fashion-mnist" / fingerprint(FINETUNE_IMAGENET)[:12]


def main() -> None:
    """Trains, evaluates and publishes."""
    torch.set_num_threads(num_cores())
    clothes = fashion()
    pixels = clothes.pixels(IMAGENET_LITE0.resolution)
    if not (FOLDER / "classifier.json").exists():
        examples = Examples(inputs=pixels[clothes.trainable], labels=clothes.levels[clothes.trainable])
        callbacks = TrainingCallbacks(checkpoint=FOLDER / "checkpoint.pt", on_epoch=_log)
        trained = train_classifier(FINETUNE_IMAGENET, build(IMAGENET_LITE0), examples, DEVICE, callbacks)
        trained.classifier.save(FOLDER, {"device_seconds": trained.cost.device_s})
    minutes = json.loads((FOLDER / "classifier.json").read_text())["device_seconds"] / 60
    best = predict(Classifier.load(FOLDER), pixels[clothes.evaluation], DEVICE)[-1].ids[:, 0]
    top1 = crossed_estimate((best == clothes.levels[clothes.evaluation, -1])[None].astype(float))
    subject = f"Fashion-MNIST, official test set, `{FINETUNE_IMAGENET.name}` on all 60,000 labels"
    within = f"95 % within {top1.low:.4f} to {top1.high:.4f}"
    publish(
        "fashion_mnist",
        [
            at_least(f"{subject}: top-1 ({within})", top1.value, MIN_TOP1, ""),
            at_most(f"{subject}: training", minutes, MAX_MINUTES, "minutes"),
        ],
    )


def _log(figures: Mapping[str, float]) -> None:
    text = f"{figures['loss']:.3f}, {figures['examples_per_s']:.0f} images/s"
    print(f"epoch {figures['epoch']:.0f}: loss {text}", flush=True)


if __name__ == "__main__":
    main()
