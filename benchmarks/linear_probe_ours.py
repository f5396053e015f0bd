"""Our side of the linear probe benchmark.

python -m benchmarks.linear_probe_ours FOLDER OUTPUT.json WEIGHT_DECAY
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from ml.embeddings.logistic import Stopping, fit_logistic

TOLERANCE = 1e-6  # of the decrement


def main() -> None:
    """Fits to convergence."""
    folder, weight_decay = Path(sys.argv[1]), float(sys.argv[3])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    inputs, targets = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("inputs", "targets"))
    started = time.perf_counter()
    fitted = fit_logistic(inputs, targets, int(targets.max()) + 1, weight_decay, Stopping(tolerance=TOLERANCE))
    seconds = time.perf_counter() - started
    result = {"seconds": seconds, "loss": fitted.loss, "passes": fitted.num_passes, "decrement": fitted.decrement}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
