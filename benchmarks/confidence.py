"""Confidence: measured coverage at requested coverages of 80, 90 and 95 %, on Fashion-MNIST's test set.

make bench NAME=confidence

A probe on ImageNet embeddings of 40,000 training images; 10,000 others fit the temperature, 10,000 more choose the
thresholds. Predictions back off along the taxonomy, as in the asset `confidence`.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.starting_weights import DEVICE, fashion
from catalog.evaluation.proportions import wilson_interval
from catalog.evaluation.scores import expected_calibration_error
from catalog.storage.cores import num_cores
from ml.classifiers.calibration import fit_temperature
from ml.classifiers.conformal import BestPaths, conformal_threshold
from ml.classifiers.distillation import teacher_log_probabilities
from ml.encoders.encoder import build, embed
from ml.recipes import IMAGENET_LITE0, PROBE
from ml.training.classification import Examples
from ml.training.finetuning import train_classifier

COVERAGES = (0.8, 0.9, 0.95)
NUM_FITTING, NUM_CHOOSING = 10_000, 10_000
MAX_DISTANCE = 1.0  # points


def main() -> None:
    """Embeds, probes, calibrates, evaluates and publishes."""
    torch.set_num_threads(num_cores())
    clothes = fashion()
    shuffled = np.random.default_rng(0).permutation(clothes.trainable)
    fitting, choosing, training = np.split(shuffled, [NUM_FITTING, NUM_FITTING + NUM_CHOOSING])
    encoder = build(IMAGENET_LITE0)
    vectors = embed(encoder, clothes.pixels(IMAGENET_LITE0.resolution), DEVICE)
    examples = Examples(inputs=vectors[training], labels=clothes.levels[training])
    classifier = train_classifier(PROBE, encoder, examples, DEVICE).classifier
    log_probabilities = teacher_log_probabilities(classifier, vectors, DEVICE)[-1]
    targets = classifier.hierarchy.encode(clothes.levels)
    temperature = fit_temperature(log_probabilities[fitting], targets[fitting, -1])
    paths, unscaled = (
        BestPaths.at_temperature(log_probabilities, each, classifier.hierarchy) for each in (temperature, 1.0)
    )
    scores = paths.rows(choosing).scores(targets[choosing])
    evaluated, true = paths.rows(clothes.evaluation), targets[clothes.evaluation]
    subject = f"Fashion-MNIST, official test set, `{PROBE.name}`"
    claims = [claim(subject, evaluated, true, conformal_threshold(scores, each), each) for each in COVERAGES]
    for name, each in {
        "before scaling": unscaled.rows(clothes.evaluation),
        f"at temperature {temperature:.2f}": evaluated,
    }.items():
        error = expected_calibration_error(each.masses[:, -1].clip(0, 1), each.classes[:, -1] == true[:, -1])
        claims.append(figure(f"{subject}: calibration error of leaves, {name}", error, ""))
    publish("confidence", claims)


def claim(subject: str, evaluated: BestPaths, true: NDArray[np.int64], threshold: float, coverage: float) -> Claim:
    """Returns the distance between the measured and the requested coverage."""
    covered = evaluated.are_covered(true, threshold)
    low, high = wilson_interval(int(covered.sum()), len(covered))
    depths = evaluated.depths(threshold)
    measured = (
        f"measured {covered.mean():.4f}, 95 % within {low:.4f} to {high:.4f}; mean depth {depths.mean():.2f} levels"
    )
    distance = 100 * abs(float(covered.mean()) - coverage)
    return at_most(
        f"{subject}: categories at a requested coverage of {coverage:.0%} ({measured}): distance",
        distance,
        MAX_DISTANCE,
        "points",
    )


if __name__ == "__main__":
    main()
