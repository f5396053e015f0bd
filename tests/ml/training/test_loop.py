"""The training loop: its steps, its reports and its end."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ml.recipe_types import Optimization
from ml.training.checkpoints import Checkpoint
from ml.training.loop import Hooks, train
from ml.training.optimizers import build_optimizer, clip_gradients, set_learning_rate

CPU = torch.device("cpu")
SETTINGS = Optimization(epochs=3, batch_size=4, lr=0.1, weight_decay=0.0, warmup_epochs=0)


class Line:
    """y = 2 x + 1, to be found from ten points."""

    def __init__(self, num_examples: int = 10, poisoned: int | None = None) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)
        self.num_examples = num_examples
        self.batches: list[list[int]] = []
        self.progress: list[float] = []
        self._x = torch.linspace(-1, 1, num_examples)[:, None]
        self._y = 2 * self._x + 1
        if poisoned is not None:
            self._y[poisoned] = float("nan")

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        self.batches.append(indices.tolist())
        loss = (self.module(self._x[indices]) - self._y[indices]).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), "position": indices.float().mean()}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        return {"x": self._x[indices], "y": self._y[indices]}

    def after_update(self, progress: float) -> None:
        self.progress.append(progress)

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        return {"weight": self.module.weight.item()}


def test_every_epoch_sees_every_example_once_in_batches_of_equal_size() -> None:
    task = Line()
    train(task, SETTINGS, CPU, seed=0)
    epochs = [task.batches[start : start + 3] for start in (0, 3, 6)]
    for batches in epochs:
        assert sorted(len(batch) for batch in batches) == [3, 3, 4]
        assert sorted(position for batch in batches for position in batch) == list(range(10))
    assert epochs[0] != epochs[1]


def test_the_line_is_fitted_and_reported() -> None:
    task, reports = Line(), []
    cost = train(
        task, Optimization(epochs=200, batch_size=4, lr=0.1), CPU, seed=0, hooks=Hooks(on_epoch=reports.append)
    )
    assert task.module.weight.item() == pytest.approx(2, abs=0.05)
    assert task.module.bias.item() == pytest.approx(1, abs=0.05)
    assert [report["epoch"] for report in reports] == list(range(1, 201))
    assert reports[-1]["loss"] < 0.01 < reports[0]["loss"]
    assert reports[-1]["weight"] == task.module.weight.item()
    assert all(report["position"] == pytest.approx(4.5) for report in reports)  # weighted by batch size
    assert cost.num_examples_seen == 2000
    assert cost.examples_per_s == pytest.approx(2000 / cost.device_s)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step() -> None:
    task = Line(poisoned=7)
    with pytest.raises(
        FloatingPointError, match=r"step \d has the loss nan .* lower the learning rate \(now 0.1 of 0.1\)"
    ):
        train(task, replace(SETTINGS, epochs=1000), CPU, seed=0)
    assert task.module.weight.isfinite().all()  # the poisoned step was not taken


def test_the_inputs_of_a_step_that_failed_are_kept_beside_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "checkpoint.pt", fingerprint="x")
    with pytest.raises(FloatingPointError, match=r"inspect the inputs of .*failed-step\.safetensors"):
        train(Line(poisoned=7), SETTINGS, CPU, seed=0, hooks=Hooks(checkpoint=checkpoint))
    kept = load_file(tmp_path / "failed-step.safetensors")
    assert 7 in kept["indices"]
    assert kept["y"][kept["indices"] == 7].isnan().all()
    assert kept["x"].shape == kept["y"].shape


def test_progress_is_reported_after_every_step_and_ends_at_one() -> None:
    task = Line()
    train(task, SETTINGS, CPU, seed=0)
    assert task.progress == pytest.approx([step / 9 for step in range(1, 10)])


def test_an_average_follows_the_weights_and_takes_their_place_at_the_end() -> None:
    weights, means = [], []
    for decay in (None, 0.5):
        task, reports = Line(), []
        train(task, replace(SETTINGS, epochs=20, ema_decay=decay), CPU, seed=0, hooks=Hooks(on_epoch=reports.append))
        weights.append(task.module.weight.item())
        means.append([report["weight"] for report in reports])
    assert weights[1] == means[1][-1]  # what is evaluated is what is kept
    assert weights[1] != weights[0]
    assert weights[1] == pytest.approx(weights[0], abs=0.2)


def test_lars_moves_a_weight_by_a_share_of_its_own_size_and_biases_freely() -> None:
    moved = []
    for scale in (1.0, 100.0):
        task = Line()
        with torch.no_grad():
            task.module.weight.fill_(-scale)
        settings = replace(SETTINGS, epochs=1, batch_size=10, weight_decay=1e-4, optimizer="lars", max_grad_norm=1e9)
        train(task, settings, CPU, seed=0)
        moved.append(1 + task.module.weight.item() / scale)
    assert moved[0] == pytest.approx(moved[1], rel=0.01)
    assert moved[0] == pytest.approx(0.1 * 0.001, rel=0.01)  # the rate x the trust in a step
    assert task.module.bias.item() != Line().module.bias.item()


def test_sgd_has_nesterovs_momentum_and_rmsprop_divides_by_the_mean_square_within_the_root() -> None:
    gradient = torch.tensor([2.0, -0.5])
    start = torch.tensor([1.0, 1.0])

    def moved(optimizer: str) -> Tensor:
        module = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            module.weight.copy_(start)
        settings = replace(SETTINGS, optimizer=optimizer)  # type: ignore[arg-type]
        built = build_optimizer(module, settings)
        set_learning_rate(built, 0.1)
        for _ in range(2):
            module.weight.grad = gradient[None].clone()
            built.step()
        return module.weight.detach()[0]

    momentum = [gradient, gradient + 0.9 * gradient]
    assert torch.allclose(moved("sgd"), start - 0.1 * sum(gradient + 0.9 * each for each in momentum))
    square, velocity, expected = torch.ones(2), torch.zeros(2), start.clone()
    for _ in range(2):
        square = 0.9 * square + 0.1 * gradient**2
        velocity = 0.9 * velocity + 0.1 * gradient / (square + 1e-3).sqrt()
        expected = expected - velocity
    assert torch.allclose(moved("rmsprop"), expected)


def test_adaptive_clipping_limits_the_gradient_of_each_unit_of_the_encoder_by_its_weights() -> None:
    module = nn.ModuleDict({"encoder": nn.Linear(2, 2, bias=False), "head": nn.Linear(2, 1, bias=False)})
    with torch.no_grad():
        module["encoder"].weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 10.0]]))
    module["encoder"].weight.grad = torch.tensor([[1.0, 0.0], [0.0, 0.01]])
    module["head"].weight.grad = torch.tensor([[3.0, 4.0]])
    clip_gradients(module, replace(SETTINGS, adaptive_clip=0.01, max_grad_norm=1e9))
    assert torch.allclose(module["encoder"].weight.grad, torch.tensor([[0.05, 0.0], [0.0, 0.01]]))
    assert torch.equal(module["head"].weight.grad, torch.tensor([[3.0, 4.0]]))


def test_adaptive_clipping_and_the_other_optimizers_train() -> None:
    for optimizer in ("sgd", "rmsprop"):
        torch.manual_seed(0)
        tower = Tower()
        before = tower.module["encoder"].weight.item()
        settings = replace(SETTINGS, optimizer=optimizer, lr=1e-3, adaptive_clip=0.01)
        train(tower, settings, CPU, seed=0)
        assert 0 < abs(tower.module["encoder"].weight.item() - before) < 0.5


@pytest.mark.parametrize("num_examples", [0, 1])
def test_too_few_examples_are_refused(num_examples: int) -> None:
    with pytest.raises(ValueError, match=rf"needs at least 2 examples, got {num_examples}"):
        train(Line(num_examples), SETTINGS, CPU, seed=0)


def test_training_leaves_other_peoples_random_numbers_alone() -> None:
    task = Line()
    before = torch.get_rng_state()
    train(task, SETTINGS, CPU, seed=5)
    assert torch.equal(before, torch.get_rng_state())


def test_biases_do_not_decay() -> None:
    task = Line()
    task._y = task._y * 0 + 1  # the target is a bias of one and no slope
    train(task, Optimization(epochs=300, batch_size=10, lr=0.05, weight_decay=1.0), CPU, seed=0)
    assert task.module.bias.item() == pytest.approx(1, abs=0.01)


class Tower:
    """An encoder and a head of one weight each."""

    def __init__(self) -> None:
        self.module = nn.ModuleDict({"encoder": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
        self.num_examples = 8

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        loss = self.module["head"](self.module["encoder"](indices.float()[:, None])).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach()}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        return {}

    def after_update(self, progress: float) -> None:
        pass

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        return {}


def test_the_encoder_s_rate_is_a_factor_of_its_own() -> None:
    moved = {}
    for factor in (0.0, 1.0):
        torch.manual_seed(0)
        tower = Tower()
        before = tower.module["encoder"].weight.item(), tower.module["head"].weight.item()
        train(tower, replace(SETTINGS, encoder_lr_factor=factor), CPU, seed=0)
        moved[factor] = tower.module["encoder"].weight.item() != before[0]
        assert tower.module["head"].weight.item() != before[1]
    assert moved == {0.0: False, 1.0: True}
