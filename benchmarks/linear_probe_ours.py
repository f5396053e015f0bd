"""Our side of the linear probe benchmark.

python -m benchmarks.linear_probe_ours FOLDER ANSWER.json
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from ml.classifiers.logistic import Stopping, fit_logistic

TOLERANCE = 1e-6  # of the decrement


def main() -> None:
    """Fits to convergence, with the penalty that scikit-learn has by default."""
    place = Path(sys.argv[1])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    inputs, targets = (torch.from_numpy(np.load(place / f"{name}.npy")) for name in ("inputs", "targets"))
    started = time.perf_counter()
    fitted = fit_logistic(inputs, targets, int(targets.max()) + 1, 1 / len(inputs), Stopping(tolerance=TOLERANCE))
    seconds = time.perf_counter() - started
    answer = {"seconds": seconds, "loss": fitted.loss, "passes": fitted.num_passes, "decrement": fitted.decrement}
    Path(sys.argv[2]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
