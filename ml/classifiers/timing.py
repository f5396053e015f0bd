"""Measures the time of a classifier per image, from pixels to logits."""

import statistics
import time

import torch

from ml.classifiers.classifier import Classifier

BATCH = 32
NUM_WARM_UP, NUM_TIMED = 2, 7


def ms_per_image(classifier: Classifier, device: torch.device) -> float:
    """Return milliseconds per image at the encoder's resolution, in batches of 32: the median of seven batches."""
    classifier.to(device).eval()
    side = classifier.encoder.resolution
    images = torch.zeros(BATCH, 3, side, side, dtype=torch.uint8, device=device)
    seconds = []
    with torch.inference_mode():
        for _ in range(NUM_WARM_UP + NUM_TIMED):
            started = time.perf_counter()
            classifier(images)[-1].cpu()  # the copy waits for the device
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[NUM_WARM_UP:]) * 1000 / BATCH
