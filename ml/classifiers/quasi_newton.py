"""L-BFGS with a first guess of the inverse Hessian of one's own (Nocedal and Wright 2006, algorithm 7.5).

PyTorch's takes a multiple of the identity for that guess, and a loss and gradient at every step of its line search
through autograd; here both come from one function, which may be exchanged for a finer one on the way.
"""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

MEMORY = 10  # pairs of steps and changes of the gradient
ENOUGH_DECREASE = 1e-4  # of what the slope promises (Armijo)
NOISE = 1e-6  # of a mean of float32 losses about 1: within it, the slope at the end tells whether a step was good
LEAST_STEP = 1e-3

Objective = Callable[[Tensor], tuple[float, Tensor]]  # a point -> loss and gradient there


class Descent:
    """A way down a smooth, convex function: where it stands, and what it has learned of the curvature.

    `decrement` estimates how much of the loss is left to be won, as a share of it: half the squared norm of the
    gradient in the metric of the inverse Hessian (Boyd and Vandenberghe 2004, section 9.5.1).
    """

    def __init__(self, objective: Objective, start: Tensor, guess: Callable[[Tensor], Tensor]) -> None:
        """`guess` multiplies by the guessed inverse Hessian, which has to be symmetric and positive."""
        self.objective, self.at, self.guess = objective, start, guess
        self.num_passes = 1
        self.loss, self.gradient = objective(start)
        self.decrement = float("inf")
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=MEMORY)
        self._scale = 1.0

    def go_on_with(self, objective: Objective) -> None:
        """Keep the point and the curvature, and descend another function that is nearly the same."""
        self.objective = objective
        self.num_passes += 1
        self.loss, self.gradient = objective(self.at)

    def guess_anew(self) -> None:
        """The guess has changed: what was learned stays, and scales it."""
        if self._pairs:
            _, change, inverse = self._pairs[-1]
            self._scale = 1 / inverse / float((change * self.guess(change)).sum())

    def run(self, tolerance: float, max_passes: int) -> bool:
        """Step until the decrement is at most `tolerance`, or rounding errors hide any further decrease: then True.

        False where `max_passes` evaluations, with the earlier ones, came first.
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
        """Minus the inverse Hessian times the gradient (the two-loop recursion)."""
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
        """Go as far along the direction as the loss falls well enough; False where it does not fall at all."""
        length = 1.0
        while True:
            there = self.at.add(direction, alpha=length)
            loss, gradient = self.objective(there)
            self.num_passes += 1
            if loss <= self.loss + ENOUGH_DECREASE * length * slope:
                break
            if loss <= self.loss + NOISE and abs(float((gradient * direction).sum())) <= -0.9 * slope:
                break  # Hager and Zhang 2005, "A new conjugate gradient method", section 2
            if length < LEAST_STEP:
                return False
            # The minimum of the parabola through what is known, within reason.
            lowest = -slope * length**2 / (2 * (loss - self.loss - slope * length))
            length = min(max(lowest, 0.1 * length), 0.5 * length)
        step, change = there - self.at, gradient - self.gradient
        curvature = float((step * change).sum())
        if curvature > 0:  # rounding errors can hide it, and then it is none
            self._pairs.append((step, change, 1 / curvature))
            self._scale = curvature / float((change * self.guess(change)).sum())
        self.at, self.loss, self.gradient = there, loss, gradient
        return True
