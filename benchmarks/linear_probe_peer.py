"""scikit-learn's side of the linear probe benchmark: its default solver, stopped at a given loss.

python -m benchmarks.linear_probe_peer FOLDER OUTPUT.json LOSS
"""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

MAX_STEPS = 10_000


class Stopped:
    """Wraps SciPy's `minimize` to stop at the first step whose loss is at most `target`, and records the result."""

    def __init__(self, target: float) -> None:
        self.target, self.loss, self.passes = target, float("inf"), 0
        self._minimize = optimize.minimize

    def __call__(self, function: Any, start: Any, **options: Any) -> Any:
        """Calls `minimize` with one comparison per step."""

        def is_low_enough(intermediate_result: optimize.OptimizeResult) -> None:
            if intermediate_result.fun <= self.target:
                raise StopIteration

        result = self._minimize(function, start, **{**options, "callback": is_low_enough})
        self.loss, self.passes = float(result.fun), int(result.nfev)
        return result


def main() -> None:
    """Fits with the default C of 1 and a tolerance so low that the target loss ends the fit."""
    folder, target = Path(sys.argv[1]), float(sys.argv[3])
    inputs, targets = (np.load(folder / f"{name}.npy") for name in ("inputs", "targets"))
    stopped = Stopped(target)
    optimize.minimize = stopped
    warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early counts as not converged
    started = time.perf_counter()
    LogisticRegression(C=1.0, tol=1e-12, max_iter=MAX_STEPS).fit(inputs, targets)
    seconds = time.perf_counter() - started
    result = {"seconds": seconds, "loss": stopped.loss, "passes": stopped.passes}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
