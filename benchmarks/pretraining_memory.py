"""Two steps of SimCLR, whose memory the parent process measures.

python -m benchmarks.pretraining_memory BATCH MICRO_BATCH
"""

import sys
from dataclasses import replace

import numpy as np
import torch

from benchmarks.pretraining_recipes import RESOLUTION, recipe
from ml.encoders.encoder import build
from ml.methods import build_method
from ml.training.pretraining import PretrainingTask


def main(batch: int, micro_batch: int) -> None:
    """Runs forward and backward on random pixels twice."""
    chosen = recipe("simclr", "resnet18")
    settings = replace(chosen.pretraining, micro_batch_size=micro_batch)  # type: ignore[type-var]
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, RESOLUTION, RESOLUTION), dtype=np.uint8)
    method = build_method(build(chosen), settings).train()
    task = PretrainingTask(method, pixels, settings, torch.device("cpu"))
    for _ in range(2):
        task.backward(torch.arange(batch))
        method.zero_grad(set_to_none=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
