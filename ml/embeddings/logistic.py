"""Multinomial logistic regression with an L2 penalty, to convergence, for as many embeddings as memory holds.

It minimizes the mean cross entropy + weight_decay * |weight|^2 / 2 with a free bias: what scikit-learn's
`LogisticRegression(C=1 / (weight_decay * num))` minimizes. L-BFGS starts from a guess of the Hessian that whitens the
embeddings: the block of a class is the mean of p (1 - p) x x', which the mean of p (1 - p) * covariance + weight_decay
approximates; its inverse balances directions whose variances differ a thousandfold. That mean falls by orders of
magnitude during the descent and is updated every few passes. Far from the minimum a large problem is computed in
bfloat16 if the device is faster in it.

Beside the embeddings (num, dim) it holds their bfloat16 copy, 2 * MEMORY + 6 times the weights, two (dim, dim)
matrices and at most MAX_LOGITS logits.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from ml.embeddings.lbfgs import Descent

CURVATURE = 0.1  # of p (1 - p), at first: of 0.01 to 1, it took the fewest passes on three synthetic problems
MIN_CURVATURE = 1e-9  # of a class that is fully separated from all others
PASSES_PER_GUESS = 12
ROWS_PER_DIM = 8  # to estimate covariance and curvature from
MAX_LOGITS = 1 << 22  # computed at once: 16 MiB of float32, about the size of caches
MIN_PRODUCTS = 1 << 32  # multiplications a pass from which a copy in bfloat16 and a timing are worth it
LOW_TOLERANCE, LOW_PASSES = 1e-4, 100  # of bfloat16: beyond, its rounding errors dominate


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """A fitted regression: logits are inputs @ weight.T + bias."""

    weight: Tensor  # (num_classes, dim)
    bias: Tensor  # (num_classes,)
    loss: float  # with the penalty
    decrement: float  # the remaining decrease as a share of the loss, estimated by `Descent`
    num_passes: int  # over the embeddings, a loss and its gradient each
    is_converged: bool

    def log_probabilities(self, inputs: Tensor) -> Tensor:
        """Return the log-probabilities of all classes, (num, num_classes), for inputs (num, dim)."""
        return torch.addmm(self.bias, inputs, self.weight.T).log_softmax(dim=1)


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """The end of a fit: a decrement of at most `tolerance`, or `max_passes` over the embeddings."""

    tolerance: float = 1e-7
    max_passes: int = 1_000


def fit_logistic(
    inputs: Tensor,
    targets: Tensor,
    num_classes: int,
    weight_decay: float,
    stopping: Stopping = Stopping(),
    start: Logistic | None = None,
) -> Logistic:
    """Fit a regression of embeddings onto classes, on the device of the embeddings.

    Args:
        inputs: float32 embeddings, (num, dim).
        targets: classes from 0, (num,).
        num_classes: may exceed the classes that occur.
        weight_decay: positive; without a penalty, separable classes have no minimum.
        stopping: tolerance and limit.
        start: a fit to continue from; None starts at zero.

    Raises:
        ValueError: there are no embeddings, the targets do not match, or the weight decay is not positive.
    """
    if inputs.ndim != 2 or len(inputs) == 0 or targets.shape != inputs.shape[:1]:
        raise ValueError(
            f"embeddings are {tuple(inputs.shape)}, targets {tuple(targets.shape)}; give (num > 0, dim) and (num,)"
        )
    if weight_decay <= 0:
        raise ValueError(f"the weight decay is {weight_decay}; it has to be positive, or there may be no minimum")
    if not 0 <= int(targets.min()) <= int(targets.max()) < num_classes:
        raise ValueError(f"targets go from {int(targets.min())} to {int(targets.max())}; expected 0..{num_classes - 1}")
    mean = inputs.mean(dim=0)
    at = inputs.new_zeros(num_classes, inputs.shape[1] + 1)
    if start is not None:
        at[:, :-1], at[:, -1] = start.weight, start.bias + start.weight @ mean
    full = _Objective(inputs, targets, weight_decay, mean)
    guess = _Whitening(inputs, mean, weight_decay, num_classes)
    if 2 * inputs.numel() * num_classes >= MIN_PRODUCTS and is_faster_in_bfloat16(inputs, num_classes):
        descent = Descent(full.in_bfloat16(), at, guess)
        _descend(
            descent, guess, full, Stopping(tolerance=LOW_TOLERANCE, max_passes=min(LOW_PASSES, stopping.max_passes))
        )
        descent.go_on_with(full)
    else:
        descent = Descent(full, at, guess)
    is_converged = _descend(descent, guess, full, stopping)
    weight = descent.at[:, :-1].clone()
    return Logistic(
        weight=weight,
        bias=descent.at[:, -1] - weight @ mean,
        loss=descent.loss,
        decrement=descent.decrement,
        num_passes=descent.num_passes,
        is_converged=is_converged,
    )


def _descend(descent: Descent, guess: "_Whitening", full: "_Objective", stopping: Stopping) -> bool:
    """Descend and return whether it converged; the guess gets the current curvature every few passes."""
    while descent.num_passes < stopping.max_passes:
        if descent.run(stopping.tolerance, min(stopping.max_passes, descent.num_passes + PASSES_PER_GUESS)):
            return True
        guess.curvature = full.curvature(descent.at)
        descent.guess_anew()
    return False


class _Objective:
    """Loss and gradient at a point (num_classes, dim + 1): weights, and biases at the embeddings' `mean`.

    Biases and weights are then almost independent for any mean of the embeddings, and nothing is copied.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, weight_decay: float, mean: Tensor) -> None:
        self.inputs, self.targets, self.weight_decay, self.mean = inputs, targets[:, None], weight_decay, mean

    def in_bfloat16(self) -> "_Objective":
        """Return the objective of a bfloat16 copy, centered because rounding errors grow with distance from zero."""
        copy = torch.empty_like(self.inputs, dtype=torch.bfloat16)
        for rounded, part in zip(torch.split(copy, 4096), torch.split(self.inputs, 4096), strict=True):
            rounded.copy_(part - self.mean)
        return _Objective(copy, self.targets[:, 0], self.weight_decay, torch.zeros_like(self.mean))

    def curvature(self, at: Tensor) -> Tensor:
        """Return the mean of p (1 - p) of each class, (num_classes,), over a sample of the rows."""
        rows = sampled(self.inputs)
        weight, summed = at[:, :-1], at.new_zeros(len(at))
        bias = at[:, -1] - weight @ self.mean
        for part in torch.split(rows, max(1, MAX_LOGITS // len(at))):
            p = torch.addmm(bias, part, weight.T).softmax(dim=1)
            summed += (p * (1 - p)).sum(dim=0)
        return (summed / len(rows)).clamp(min=MIN_CURVATURE)

    def __call__(self, at: Tensor) -> tuple[float, Tensor]:
        weight, rows = at[:, :-1], max(1, MAX_LOGITS // len(at))
        bias = at[:, -1] - weight @ self.mean
        summed, residuals = torch.zeros_like(weight), torch.zeros_like(bias)
        rounded = weight.to(self.inputs.dtype)
        loss = torch.zeros((), dtype=torch.float64 if at.device.type != "mps" else torch.float32, device=at.device)
        for part, classes in zip(torch.split(self.inputs, rows), torch.split(self.targets, rows), strict=True):
            logits = (part @ rounded.T).float().add_(bias)  # (rows, num_classes)
            log_p = logits.log_softmax(dim=1)
            loss -= log_p.gather(1, classes).sum(dtype=loss.dtype)
            residual = log_p.exp_()
            residual.scatter_add_(1, classes, -torch.ones_like(classes, dtype=residual.dtype))
            summed += residual.to(part.dtype).T @ part
            residuals += residual.sum(dim=0)
        summed -= torch.outer(residuals, self.mean)
        gradient = torch.cat([summed, residuals[:, None]], dim=1).div_(len(self.inputs))
        gradient[:, :-1] += self.weight_decay * weight
        penalty = self.weight_decay / 2 * weight.square().sum(dtype=loss.dtype)
        return float(loss / len(self.inputs) + penalty), gradient


class _Whitening:
    """The guessed inverse Hessian: for each class a multiple of the covariance and the weight decay, inverted.

    In the eigenvectors of the covariance it is diagonal, so changing the curvature, (num_classes,), costs nothing.
    """

    def __init__(self, inputs: Tensor, mean: Tensor, weight_decay: float, num_classes: int) -> None:
        rows = sampled(inputs) - mean
        variances, self.directions = torch.linalg.eigh((rows.T @ rows).div_(len(rows)))
        # A direction of almost no variance must not allow arbitrary steps.
        self.variances = variances.clamp(min=0) + 1e-6 * variances.mean()
        self.weight_decay = weight_decay
        self.curvature = inputs.new_full((num_classes,), CURVATURE)

    def __call__(self, direction: Tensor) -> Tensor:
        along = direction[:, :-1] @ self.directions
        along /= torch.outer(self.curvature, self.variances).add_(self.weight_decay)
        return torch.cat([along @ self.directions.T, direction[:, -1:] / self.curvature[:, None]], dim=1)


def sampled(inputs: Tensor) -> Tensor:
    """Return evenly spaced rows, enough to estimate a covariance."""
    return inputs[:: max(1, len(inputs) // (ROWS_PER_DIM * inputs.shape[1]))]


def is_faster_in_bfloat16(inputs: Tensor, num_classes: int) -> bool:
    """Return whether the device multiplies such embeddings in bfloat16 in less than two thirds of float32's time."""
    rows = inputs[: max(64, min(len(inputs), MAX_LOGITS // num_classes))]
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        part, weight = rows.to(dtype), inputs.new_zeros(num_classes, inputs.shape[1], dtype=dtype)
        timings = []
        for _ in range(3):
            started = time.perf_counter()
            (part @ weight.T)[-1, -1].item()  # the copy waits for the device
            timings.append(time.perf_counter() - started)
        seconds[dtype] = min(timings)
    return seconds[torch.bfloat16] < seconds[torch.float32] * 2 / 3
