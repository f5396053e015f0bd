"""Learning rate schedules as functions of the step, so that a resumed run needs no scheduler state."""

import math


def warmup_cosine(step: int, num_warmup_steps: int, num_steps: int) -> float:
    """Returns the share of the peak learning rate at `step` (from 0): linear warm-up, then a cosine decay to zero."""
    if step < num_warmup_steps:
        return (step + 1) / num_warmup_steps
    progress = (step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
