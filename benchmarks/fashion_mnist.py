"""Fashion-MNIST, whole: a fine-tuned classifier on the official test set, and the student that it teaches.

make bench NAME=fashion_mnist

An hour on two cores. What is trained is kept below `.bench/fashion-mnist`, and a run that was cut off goes on; its
minutes are device minutes over all attempts. The recipes were not chosen by the test set.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims import Claim, at_least, at_most, figure, publish
from benchmarks.peers import BENCH
from benchmarks.starting_weights import DEVICE, Collection, fashion, made
from catalog.data_efficiency import crossed_estimate
from ml.classifiers.classifier import Classifier
from ml.classifiers.predicting import best_of, predict
from ml.classifiers.timing import ms_per_picture
from ml.distillation import answers, load_answers, save_answers
from ml.encoders import Encoder, build
from ml.ensembles import combined
from ml.recipes import (
    FINETUNE_IMAGENET,
    IMAGENET_LITE0,
    SIMCLR_MNV3,
    STUDENT_RECIPES,
    ClassifierRecipe,
    Distillation,
    fingerprint,
)
from ml.training.finetuning import Examples, Watch, train_classifier
from resources.compute import num_cores

PLACE = BENCH / "fashion-mnist"
MIN_TOP1, MAX_MINUTES = 0.945, 60.0
MAX_BEHIND, MAX_SHARE_OF_MS = 1.0, 0.25  # points; of the teacher's time a picture

TEACHER = FINETUNE_IMAGENET
STUDENT = replace(
    STUDENT_RECIPES["student-mnv3"],
    optimisation=replace(TEACHER.optimisation, epochs=20, batch_size=256, lr=4e-3),
    augmentation=TEACHER.augmentation,
    distillation=Distillation(teacher=TEACHER.name),
)


def trained(
    recipe: ClassifierRecipe, start: Callable[[], Encoder], examples: Callable[[], Examples]
) -> tuple[Classifier, float]:
    """The classifier of a recipe and the device minutes that it took, or as an earlier run left it."""
    folder = PLACE / f"{recipe.name}-{fingerprint(recipe)[:12]}"
    if not (folder / "classifier.json").exists():
        watch = Watch(checkpoint=folder / "checkpoint.pt", on_epoch=_tell(recipe.name))
        result = train_classifier(recipe, start(), examples(), DEVICE, watch)
        result.classifier.save(folder, {"device_seconds": result.cost.device_s})
    minutes = json.loads((folder / "classifier.json").read_text())["device_seconds"] / 60
    return Classifier.load(folder), minutes


def right(classifier: Classifier, clothes: Collection) -> NDArray[np.float64]:
    """1 where it tells a test picture's leaf, (1, num_test)."""
    pixels = clothes.pixels(classifier.encoder.resolution)[clothes.judging]
    return _right(predict(classifier, pixels, DEVICE)[-1].ids[:, 0], clothes)


def main() -> None:
    """Train both, judge, publish."""
    torch.set_num_threads(num_cores())
    clothes = fashion()
    labels = clothes.levels[clothes.trainable]
    teacher_pixels, student_pixels = (clothes.pixels(each.resolution) for each in (IMAGENET_LITE0, SIMCLR_MNV3))
    teacher, minutes = trained(
        TEACHER,
        lambda: build(IMAGENET_LITE0),
        lambda: Examples(inputs=teacher_pixels[clothes.trainable], labels=labels),
    )
    ours = right(teacher, clothes)
    top1 = crossed_estimate(ours)
    what = f"Fashion-MNIST, official test set, `{TEACHER.name}` on all 60,000 labels"
    within = f"95 % within {top1.low:.4f} to {top1.high:.4f}"
    claims = [
        at_least(f"{what}: top-1 ({within})", top1.value, MIN_TOP1, ""),
        at_most(f"{what}: training", minutes, MAX_MINUTES, "minutes"),
    ]
    publish("fashion_mnist", claims)  # what follows takes a while

    def taught() -> Examples:
        path = PLACE / f"answers-{fingerprint(TEACHER)[:12]}.npz"
        if not path.exists():
            save_answers(path, answers(teacher, teacher_pixels[clothes.trainable], DEVICE))
        return Examples(inputs=student_pixels[clothes.trainable], labels=labels, answers=load_answers(path))

    student, _ = trained(STUDENT, lambda: made(SIMCLR_MNV3, clothes), taught)
    publish("fashion_mnist", claims + beside(teacher, student, clothes))


def beside(teacher: Classifier, student: Classifier, clothes: Collection) -> list[Claim]:
    """The student beside its teacher, and a vote of both."""
    both = [right(each, clothes) for each in (teacher, student)]
    behind = crossed_estimate(both[0] - both[1])
    times = [ms_per_picture(each, DEVICE) for each in (teacher, student)]
    sizes = [sum(parameter.numel() for parameter in each.parameters()) / 1e6 for each in (teacher, student)]
    what = f"Fashion-MNIST, `{STUDENT.name}` taught by it ({sizes[1]:.2f} against {sizes[0]:.2f} million parameters)"
    said = []
    for each in (teacher, student):
        pixels = clothes.pixels(each.encoder.resolution)[clothes.judging]
        said.append(tuple(np.exp(level, dtype=np.float32) for level in answers(each, pixels, DEVICE)))
    vote = _right(best_of(teacher.hierarchy, combined(said, [1, 1]))[-1].ids[:, 0], clothes)
    lead = crossed_estimate(vote - max(both, key=np.mean))
    return [
        at_most(
            f"{what}: points behind (95 % within {100 * behind.low:.2f} to {100 * behind.high:.2f})",
            100 * behind.value,
            MAX_BEHIND,
            "points",
        ),
        at_most(f"{what}: share of its time a picture", times[1] / times[0], MAX_SHARE_OF_MS, ""),
        figure(f"{what}: top-1", float(both[1].mean()), ""),
        at_least(
            f"Fashion-MNIST, a vote of both over the better one (95 % within {100 * lead.low:.2f} to "
            f"{100 * lead.high:.2f})",
            100 * lead.value,
            0.0,
            "points",
        ),
    ]


def _right(leaves: NDArray[np.int64], clothes: Collection) -> NDArray[np.float64]:
    return (leaves == clothes.levels[clothes.judging, -1])[None].astype(np.float64)


def _tell(name: str) -> Callable[[Mapping[str, float]], None]:
    def tell(figures: Mapping[str, float]) -> None:
        told = f"{figures['loss']:.3f}, {figures['examples_per_s']:.0f} pictures/s"
        print(f"{name}, epoch {figures['epoch']:.0f}: loss {told}", flush=True)

    return tell


if __name__ == "__main__":
    main()
