"""Step timing: the measured seconds of embedding an image, and of training on one, for a backbone on a device."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ml.encoders.backbones import create_backbone
from ml.encoders.encoder import Encoder
from ml.execution import autocast
from ml.recipe_types import Execution
from ml.training.step_clock import Clock, step_seconds

NUM_TIMED = 2  # steps of each kind, after one warm-up step; the faster counts
CUDA_BATCH = 64
MAX_CPU_BATCH = 32
CPU_GMACS = 4.0  # of the images of a batch together: enough to fill the cores, and done in a second


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds per image of a forward pass, and of a forward and backward pass."""

    embed_s: float
    train_s: float


def time_step(
    name: str,
    resolution: int,
    gmacs: float,
    device: torch.device,
    clock: Clock = time.perf_counter,
) -> StepTime:
    """Measures a few steps of a backbone with random weights, in bfloat16 on a GPU and in float32 elsewhere.

    Args:
        name: timm's name of the backbone.
        resolution: Side of the images in pixels.
        gmacs: Billions of multiply-accumulates of one image, which set the size of the batch on a CPU.
        device: The device to measure.
        clock: Returns the time in seconds.
    """
    is_gpu = device.type == "cuda"
    batch_size = CUDA_BATCH if is_gpu else max(2, min(MAX_CPU_BATCH, round(CPU_GMACS / gmacs)))
    execution = Execution(precision="bfloat16" if is_gpu else "float32")
    with torch.random.fork_rng():
        encoder = Encoder(name, create_backbone(name, resolution), resolution, "random").to(device)
        pixels = torch.randint(0, 256, (batch_size, 3, resolution, resolution), dtype=torch.uint8, device=device)

        def embed() -> None:
            with torch.inference_mode(), autocast(execution, device):
                encoder(pixels)

        def train() -> None:
            with autocast(execution, device):
                loss = encoder(pixels).float().square().mean()
            loss.backward()
            encoder.zero_grad(set_to_none=True)

        encoder.eval()
        embed_s = _fastest(embed, device, clock)
        encoder.train()
        return StepTime(embed_s=embed_s / batch_size, train_s=_fastest(train, device, clock) / batch_size)


def _fastest(step: Callable[[], None], device: torch.device, clock: Clock) -> float:
    step()
    return min(step_seconds(step, device, clock) for _ in range(NUM_TIMED))
