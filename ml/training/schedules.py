"""Schedules: the learning rate as a plain function of the step; a resumed run needs no scheduler's state."""

import math


def warmup_cosine(step: int, num_warmup_steps: int, num_steps: int) -> float:
    """The share of the peak rate at `step` (0 .. num_steps - 1): a linear rise, then half a cosine."""
    if step < num_warmup_steps:
        return (step + 1) / num_warmup_steps
    progress = (step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
