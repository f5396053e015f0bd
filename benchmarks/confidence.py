"""Confidence: how often answers hold that are to hold in 80, 90 and 95 % of the cases, on Fashion-MNIST's test set.

make bench NAME=confidence

A probe on ImageNet embeddings of 40,000 training pictures; 10,000 others fit the temperature, 10,000 more choose the
thresholds. Answers back off along the taxonomy, as the asset `confidence` lets them.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.starting_weights import DEVICE, fashion
from catalog.proportions import wilson_interval
from catalog.scores import expected_calibration_error
from ml.classifiers.calibration import fit_temperature
from ml.classifiers.conformal import BestPaths, conformal_threshold
from ml.distillation import answers
from ml.encoders import build, embed
from ml.recipes import IMAGENET_LITE0, PROBE
from ml.training.classification import Examples
from ml.training.finetuning import train_classifier
from resources.compute import num_cores

COVERAGES = (0.8, 0.9, 0.95)
NUM_FITTING, NUM_CHOOSING = 10_000, 10_000
MAX_OFF = 1.0  # points


def main() -> None:
    """Embed, probe, calibrate, judge, publish."""
    torch.set_num_threads(num_cores())
    clothes = fashion()
    shuffled = np.random.default_rng(0).permutation(clothes.trainable)
    fitting, choosing, training = np.split(shuffled, [NUM_FITTING, NUM_FITTING + NUM_CHOOSING])
    encoder = build(IMAGENET_LITE0)
    vectors = embed(encoder, clothes.pixels(IMAGENET_LITE0.resolution), DEVICE)
    examples = Examples(inputs=vectors[training], labels=clothes.levels[training])
    classifier = train_classifier(PROBE, encoder, examples, DEVICE).classifier
    said = answers(classifier, vectors, DEVICE)[-1]
    targets = classifier.hierarchy.encode(clothes.levels)
    temperature = fit_temperature(said[fitting], targets[fitting, -1])
    paths, as_said = (BestPaths.at_temperature(said, each, classifier.hierarchy) for each in (temperature, 1.0))
    scores = paths.rows(choosing).scores(targets[choosing])
    judged, true = paths.rows(clothes.judging), targets[clothes.judging]
    what = f"Fashion-MNIST, official test set, `{PROBE.name}`"
    claims = [claim(what, judged, true, conformal_threshold(scores, each), each) for each in COVERAGES]
    for name, each in {
        "as it came": as_said.rows(clothes.judging),
        f"at temperature {temperature:.2f}": judged,
    }.items():
        error = expected_calibration_error(each.masses[:, -1].clip(0, 1), each.classes[:, -1] == true[:, -1])
        claims.append(figure(f"{what}: calibration error of leaves, {name}", error, ""))
    publish("confidence", claims)


def claim(what: str, judged: BestPaths, true: NDArray[np.int64], threshold: float, coverage: float) -> Claim:
    """How far the share of answers that hold is from the one asked for."""
    hold = judged.are_covered(true, threshold)
    low, high = wilson_interval(int(hold.sum()), len(hold))
    depths = judged.depths(threshold)
    told = f"{hold.mean():.4f} hold, 95 % within {low:.4f} to {high:.4f}, {depths.mean():.2f} levels deep on average"
    off = 100 * abs(float(hold.mean()) - coverage)
    return at_most(f"{what}: answers that are to hold in {coverage:.0%} ({told}): points off", off, MAX_OFF, "points")


if __name__ == "__main__":
    main()
