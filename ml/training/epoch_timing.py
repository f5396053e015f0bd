"""Epoch timing: predicts the seconds of an epoch of a classifier's training by a few of its steps."""

import time
from dataclasses import replace

import torch

from ml.encoders.encoder import Encoder
from ml.recipe_types import ClassifierRecipe
from ml.training.classification import Examples
from ml.training.finetuning import TrainingCallbacks, train_classifier
from ml.training.step_clock import finish

NUM_STEPS = 5  # the first one also allocates and compiles, and is left out


def predict_epoch_s(
    recipe: ClassifierRecipe, encoder: Encoder, examples: Examples, num_examples: int, device: torch.device
) -> float:
    """Trains for a few steps and returns the predicted seconds of an epoch, without evaluation.

    Args:
        recipe: The recipe; its batch size, augmentation and execution determine the time.
        encoder: The encoder; its weights change.
        examples: A few batches of examples are enough, see `NUM_STEPS`; at least two examples.
        num_examples: Examples of an epoch.
        device: The device that trains.

    Raises:
        ValueError: There are fewer than two examples.
        FloatingPointError: The training diverged within these steps.
    """
    settings = recipe.optimization
    timed = examples.first(NUM_STEPS * settings.batch_size)
    ends_s = [time.perf_counter()]

    def on_step(num_steps: int, num_total: int) -> None:
        finish(device)
        ends_s.append(time.perf_counter())

    short = replace(recipe, optimization=replace(settings, epochs=1, warmup_epochs=1.0), patience=None)
    train_classifier(short, encoder, timed, device, TrainingCallbacks(on_step=on_step))
    num_steps = len(ends_s) - 1
    first = 1 if num_steps > 1 else 0
    step_s = (ends_s[-1] - ends_s[first]) / (num_steps - first)
    return step_s * num_steps * num_examples / len(timed.labels)  # batches of equal size
