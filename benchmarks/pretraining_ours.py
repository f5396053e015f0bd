"""Our side of the pretraining benchmark: python -m benchmarks.pretraining_ours METHOD BACKBONE FOLDER ANSWER.json."""

import json
import os
import sys
import time
from pathlib import Path

import torch

from benchmarks.pretraining_recipes import BATCH, RESOLUTION, recipe
from ml.encoders import build
from ml.methods import build_method
from ml.pixels import Pixels, decode_pixels
from ml.recipe_types import Execution
from ml.training.accumulation import backward
from ml.training.execution import described, executing
from ml.training.optimisers import build_optimiser
from ml.training.pretraining import Watch, pretrain, view_kinds
from ml.views import random_view

CPU = torch.device("cpu")
NUM_STEPS = 4


def main(method: str, backbone: str, folder: Path, answer: Path) -> None:
    """Writes the pictures a second of the second epoch, and those of the network alone, with views made before."""
    num_cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(num_cores)
    files = sorted(folder.glob("*.jpg"))
    pixels = decode_pixels([file.read_bytes() for file in files], RESOLUTION, num_threads=num_cores)
    rates: list[float] = []
    watch = Watch(on_epoch=lambda figures: rates.append(figures["examples_per_s"]))
    made = pretrain(recipe(method, backbone), pixels, CPU, watch)
    assert made.verdict is not None  # noqa: S101 for the type checker
    alone = network_alone(method, backbone, pixels, made.verdict.execution)
    told = {"rate": rates[1], "network_rate": alone, "computed_in": described(made.verdict.execution)}
    answer.write_text(json.dumps(told))


def network_alone(method: str, backbone: str, pixels: Pixels, execution: Execution) -> float:
    """Pictures a second forward, backward and a step of the optimiser, on the same views again and again."""
    settings = recipe(method, backbone).pretraining
    assert settings is not None  # noqa: S101 for the type checker
    module = build_method(build(recipe(method, backbone)), settings).train()
    batch = torch.from_numpy(pixels[:BATCH])
    views = [random_view(batch, augmentation, size) for augmentation, size in view_kinds(settings, module)]
    optimiser = build_optimiser(module, settings.optimisation)
    with executing(module, execution):
        for step in range(2 * NUM_STEPS):
            if step == NUM_STEPS:  # as of our rate, the second epoch counts
                started = time.perf_counter()
            optimiser.zero_grad(set_to_none=True)
            backward(module, lambda _: views, [slice(0, BATCH)], execution)
            optimiser.step()
            module.after_update()
    return NUM_STEPS * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
