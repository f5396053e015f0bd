"""The loop: what it steps on, what it reports, and when it stops."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ml.recipes import Optimisation
from ml.training.loop import Step, train

CPU = torch.device("cpu")
SETTINGS = Optimisation(epochs=3, batch_size=4, lr=0.1, weight_decay=0.0, warmup_epochs=0)


class Line:
    """y = 2 x + 1, to be found from ten points."""

    def __init__(self, num_examples: int = 10, poisoned: int | None = None) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)
        self.num_examples = num_examples
        self.batches: list[list[int]] = []
        self._x = torch.linspace(-1, 1, num_examples)[:, None]
        self._y = 2 * self._x + 1
        if poisoned is not None:
            self._y[poisoned] = float("nan")

    def step(self, indices: Tensor) -> Step:
        self.batches.append(indices.tolist())
        loss = (self.module(self._x[indices]) - self._y[indices]).square().mean()
        return Step(loss, {"position": indices.float().mean()})

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


def test_the_line_is_found_and_the_reports_say_so() -> None:
    task, reports = Line(), []
    cost = train(task, Optimisation(epochs=200, batch_size=4, lr=0.1), CPU, seed=0, on_epoch=reports.append)
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
    with pytest.raises(FloatingPointError, match=r"step \d has the loss nan .* lower the learning rate \(now 0.1\)"):
        train(task, SETTINGS, CPU, seed=0)
    assert task.module.weight.isfinite().all()  # the poisoned step was not taken


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
    task._y = task._y * 0 + 1  # what is to be learnt is a bias of one and no slope
    train(task, Optimisation(epochs=300, batch_size=10, lr=0.05, weight_decay=1.0), CPU, seed=0)
    assert task.module.bias.item() == pytest.approx(1, abs=0.01)


class Tower:
    """An encoder and a head of one weight each."""

    def __init__(self) -> None:
        self.module = nn.ModuleDict({"encoder": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
        self.num_examples = 8

    def step(self, indices: Tensor) -> Step:
        outputs = self.module["head"](self.module["encoder"](indices.float()[:, None]))
        return Step(outputs.square().mean(), {})

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
