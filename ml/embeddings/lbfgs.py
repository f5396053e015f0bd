"""L-BFGS with a custom initial inverse Hessian (Nocedal and Wright 2006, algorithm 7.5).

`torch.optim.LBFGS` starts from a multiple of the identity. Here the initial guess is a function, and the objective can
be replaced by a more precise one during the descent.
"""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

MEMORY = 10  # pairs of steps and changes of the gradient
MIN_DECREASE = 1e-4  # as a share of the slope's prediction (Armijo)
NOISE = 1e-6  # of a mean of float32 losses of about 1; below it, steps are accepted by their final slope
MIN_STEP = 1e-3

Objective = Callable[[Tensor], tuple[float, Tensor]]  # a point -> loss and gradient there


class Descent:
    """The descent of a smooth, convex function: the current point and the curvature pairs.

    `decrement` estimates the remaining decrease as a share of the loss: half the squared norm of the
    gradient in the metric of the inverse Hessian (Boyd and Vandenberghe 2004, section 9.5.1).
    """

    def __init__(self, objective: Objective, start: Tensor, guess: Callable[[Tensor], Tensor]) -> None:
        """Evaluate the start; `guess` multiplies by the initial inverse Hessian, symmetric and positive definite."""
        self.objective, self.at, self.guess = objective, start, guess
        self.num_passes = 1
        self.loss, self.gradient = objective(start)
        self.decrement = float("inf")
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=MEMORY)
        self._scale = 1.0

    def go_on_with(self, objective: Objective) -> None:
        """Replace the objective by a similar one; the point and the curvature pairs stay."""
        self.objective = objective
        self.num_passes += 1
        self.loss, self.gradient = objective(self.at)

    def guess_anew(self) -> None:
        """Rescale after a change of the guess; the curvature pairs stay."""
        if self._pairs:
            _, change, inverse = self._pairs[-1]
            self._scale = 1 / inverse / float((change * self.guess(change)).sum())

    def run(self, tolerance: float, max_passes: int) -> bool:
        """Step until the decrement is at most `tolerance` or rounding errors prevent a further decrease.

        Returns:
            False if `max_passes` evaluations in total were reached before.
        """
        while True:
            direction = self._direction()
            slope = float((self.gradient * direction).sum())
            self.decrement = -slope / 2 / max(abs(self.loss), torch.finfo(torch.float32).tiny)
            if self.decrement <= tolerance:
                return True
            if self.num_passes >= max_passes:
                return False
            if not self._step(direction, slope):
                return True

    def _direction(self) -> Tensor:
        """Minus the inverse Hessian times the gradient (two-loop recursion)."""
        direction = -self.gradient
        along = []
        for step, change, inverse in reversed(self._pairs):
            along.append(inverse * float((step * direction).sum()))
            direction.add_(change, alpha=-along[-1])
        direction = self.guess(direction).mul_(self._scale)
        for (step, change, inverse), had in zip(self._pairs, reversed(along), strict=True):
            direction.add_(step, alpha=had - inverse * float((change * direction).sum()))
        return direction

    def _step(self, direction: Tensor, slope: float) -> bool:
        """Search along the direction for a sufficient decrease; False if there is none."""
        length = 1.0
        while True:
            point = self.at.add(direction, alpha=length)
            loss, gradient = self.objective(point)
            self.num_passes += 1
            if loss <= self.loss + MIN_DECREASE * length * slope:
                break
            if loss <= self.loss + NOISE and abs(float((gradient * direction).sum())) <= -0.9 * slope:
                break  # Hager and Zhang 2005, "A new conjugate gradient method", section 2
            if length < MIN_STEP:
                return False
            # The minimum of the interpolating parabola, limited.
            lowest = -slope * length**2 / (2 * (loss - self.loss - slope * length))
            length = min(max(lowest, 0.1 * length), 0.5 * length)
        step, change = point - self.at, gradient - self.gradient
        curvature = float((step * change).sum())
        if curvature > 0:  # rounding errors can make it zero or negative
            self._pairs.append((step, change, 1 / curvature))
            self._scale = curvature / float((change * self.guess(change)).sum())
        self.at, self.loss, self.gradient = point, loss, gradient
        return True
