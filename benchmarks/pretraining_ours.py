"""Our side of the pretraining benchmark.

python -m benchmarks.pretraining_ours METHOD BACKBONE FOLDER OUTPUT.json
"""

import json
import sys
import time
from pathlib import Path

import torch

from benchmarks.pretraining_recipes import BATCH, RESOLUTION, recipe
from catalog.storage.cores import num_cores
from ml.encoders.encoder import build
from ml.execution import describe_execution, executing
from ml.methods import build_method
from ml.pixels import Pixels, decode_pixels
from ml.recipe_types import Execution
from ml.training.accumulation import backward
from ml.training.optimizers import build_optimizer
from ml.training.pretraining import PretrainingCallbacks, pretrain, view_kinds
from ml.views import random_view

CPU = torch.device("cpu")
NUM_STEPS = 4


def main(method: str, backbone: str, folder: Path, output: Path) -> None:
    """Writes the images per second of the second epoch, and those of the network alone on precomputed views."""
    torch.set_num_threads(num_cores())
    files = sorted(folder.glob("*.jpg"))
    pixels = decode_pixels([file.read_bytes() for file in files], RESOLUTION, num_threads=num_cores())
    rates: list[float] = []
    callbacks = PretrainingCallbacks(on_epoch=lambda metrics: rates.append(metrics["examples_per_s"]))
    pretrained = pretrain(recipe(method, backbone), pixels, CPU, callbacks)
    assert pretrained.tuned is not None  # noqa: S101 for the type checker
    execution = pretrained.tuned.execution
    network_rate = measure_network(method, backbone, pixels, execution)
    measured = {"rate": rates[1], "network_rate": network_rate, "computed_in": describe_execution(execution)}
    output.write_text(json.dumps(measured))


def measure_network(method: str, backbone: str, pixels: Pixels, execution: Execution) -> float:
    """Returns the images per second of forward, backward and optimizer step, repeated on the same views."""
    settings = recipe(method, backbone).pretraining
    assert settings is not None  # noqa: S101 for the type checker
    module = build_method(build(recipe(method, backbone)), settings).train()
    batch = torch.from_numpy(pixels[:BATCH])
    views = [random_view(batch, augmentation, size) for augmentation, size in view_kinds(settings, module)]
    optimizer = build_optimizer(module, settings.optimization)
    with executing(module, execution):
        for step in range(2 * NUM_STEPS):
            if step == NUM_STEPS:  # the first epoch warms up, as in `main`
                started = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            backward(module, lambda _: views, [slice(0, BATCH)], execution)
            optimizer.step()
            module.after_update()
    return NUM_STEPS * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
