"""PyTorch's side of the linear probe benchmark: `torch.optim.LBFGS`, stopped at a given loss.

python -m benchmarks.linear_probe_torch FOLDER OUTPUT.json WEIGHT_DECAY LOSS
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

MAX_STEPS = 3_000


class ReachedError(Exception):
    """Raised by the closure at the first loss that is low enough."""


def main() -> None:
    """Minimizes with a strong Wolfe line search; tolerances are so low that the target loss or the limit ends it."""
    folder, weight_decay, target = Path(sys.argv[1]), float(sys.argv[3]), float(sys.argv[4])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    inputs, targets = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("inputs", "targets"))
    num_classes = int(targets.max()) + 1
    weight = torch.zeros(num_classes, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=MAX_STEPS,
        max_eval=2 * MAX_STEPS,
        history_size=10,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )
    losses: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(inputs @ weight.T + bias, targets) + weight_decay * weight.square().sum() / 2
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
        if losses[-1] <= target:
            raise ReachedError
        return loss

    started = time.perf_counter()
    with suppress(ReachedError):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    seconds = time.perf_counter() - started
    result = {"seconds": seconds, "loss": min(losses), "passes": len(losses)}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
