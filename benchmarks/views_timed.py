"""One way to make SimCLR's random views, timed on uint8 pictures in memory.

python -m benchmarks.views_timed ours|kornia|torchvision SIDE ANSWER.json
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

BATCH, NUM_TIMED = 256, 10
Views = Callable[[Tensor], Tensor]


def ours(side: int) -> Views:
    from benchmarks.pretraining_recipes import VIEWS
    from ml.views import random_view

    return lambda pictures: random_view(pictures, VIEWS, side)


def kornia(side: int) -> Views:
    from kornia.augmentation import (
        AugmentationSequential,
        ColorJitter,
        RandomGaussianBlur,
        RandomGrayscale,
        RandomHorizontalFlip,
        RandomResizedCrop,
    )

    views = AugmentationSequential(
        RandomResizedCrop((side, side), scale=(0.08, 1.0), cropping_mode="resample"),
        RandomHorizontalFlip(),
        ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.8),
        RandomGrayscale(p=0.2),
        RandomGaussianBlur((odd(side // 10), odd(side // 10)), (0.1, 2.0), p=0.5),
    )
    return lambda pictures: views(pictures.float() / 255)


def torchvision(side: int) -> Views:
    from torchvision.transforms import v2

    views = v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(0.08, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([v2.GaussianBlur(odd(side // 10), (0.1, 2.0))], p=0.5),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    return lambda pictures: torch.stack([views(picture) for picture in pictures])


def odd(size: int) -> int:
    """A kernel's width about SimCLR's tenth of the picture."""
    return size // 2 * 2 + 1


def main() -> None:
    """Warm up, time, tell the fastest."""
    who, side, answer = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    views = {"ours": ours, "kornia": kornia, "torchvision": torchvision}[who](side)
    pictures = torch.randint(0, 256, (BATCH, 3, side, side), dtype=torch.uint8)
    times = []
    with torch.inference_mode():
        for _ in range(NUM_TIMED + 1):
            started = time.perf_counter()
            made = views(pictures)
            times.append(time.perf_counter() - started)
    if made.shape != pictures.shape or not made.is_floating_point():
        raise ValueError(f"{who} gave {made.dtype} {tuple(made.shape)}")
    answer.write_text(json.dumps({"rate": BATCH / min(times[1:])}))


if __name__ == "__main__":
    main()
