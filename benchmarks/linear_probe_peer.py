"""scikit-learn's side of the linear probe benchmark: its default solver, stopped where its loss is low enough.

python -m benchmarks.linear_probe_peer FOLDER ANSWER.json LOSS
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
    """SciPy's `minimize`, which ends at the first step whose loss is at most the wanted one, and remembers it."""

    def __init__(self, wanted: float) -> None:
        self.wanted, self.loss, self.passes = wanted, float("inf"), 0
        self._minimize = optimize.minimize

    def __call__(self, function: Any, start: Any, **options: Any) -> Any:
        """As `minimize`; it costs nothing but one comparison a step."""

        def is_low_enough(intermediate_result: optimize.OptimizeResult) -> None:
            if intermediate_result.fun <= self.wanted:
                raise StopIteration

        result = self._minimize(function, start, **{**options, "callback": is_low_enough})
        self.loss, self.passes = float(result.fun), int(result.nfev)
        return result


def main() -> None:
    """Fits with the default C of 1; its own tolerance would end it earlier, so that is as low as it goes."""
    place, wanted = Path(sys.argv[1]), float(sys.argv[3])
    inputs, targets = (np.load(place / f"{name}.npy") for name in ("inputs", "targets"))
    stopped = Stopped(wanted)
    optimize.minimize = stopped
    warnings.simplefilter("ignore", ConvergenceWarning)  # being stopped is not converging
    started = time.perf_counter()
    LogisticRegression(C=1.0, tol=1e-12, max_iter=MAX_STEPS).fit(inputs, targets)
    seconds = time.perf_counter() - started
    answer = {"seconds": seconds, "loss": stopped.loss, "passes": stopped.passes}
    Path(sys.argv[2]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
