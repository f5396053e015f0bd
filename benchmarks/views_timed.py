"""Times one library's random views of SimCLR on uint8 images in memory.

python -m benchmarks.views_timed ours|kornia|torchvision SIDE OUTPUT.json
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
    """Returns `ml.views`."""
    from benchmarks.pretraining_recipes import VIEWS
    from ml.views import random_view

    return lambda images: random_view(images, VIEWS, side)


def kornia(side: int) -> Views:
    """Returns kornia's batched augmentations with the same strength."""
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
    return lambda images: views(images.float() / 255)


def torchvision(side: int) -> Views:
    """Returns torchvision's transforms with the same strength, image by image."""
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
    return lambda images: torch.stack([views(image) for image in images])


def odd(size: int) -> int:
    """Returns an odd kernel size near `size`; SimCLR uses a tenth of the image."""
    return size // 2 * 2 + 1


def main() -> None:
    """Warms up, measures, and writes the rate of the fastest repetition."""
    library, side, output = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    views = {"ours": ours, "kornia": kornia, "torchvision": torchvision}[library](side)
    images = torch.randint(0, 256, (BATCH, 3, side, side), dtype=torch.uint8)
    times = []
    with torch.inference_mode():
        for _ in range(NUM_TIMED + 1):
            started = time.perf_counter()
            rendered = views(images)
            times.append(time.perf_counter() - started)
    if rendered.shape != images.shape or not rendered.is_floating_point():
        raise ValueError(f"{library} returned {rendered.dtype} {tuple(rendered.shape)}")
    output.write_text(json.dumps({"rate": BATCH / min(times[1:])}))


if __name__ == "__main__":
    main()
