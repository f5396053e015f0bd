"""Accumulation: the gradient of the whole batch, whatever the parts."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ml.encoders.encoder import build
from ml.methods import METHODS, build_method, method_options
from ml.methods.method import Method
from ml.recipe_types import DEFAULT_EXECUTION, LocalViews, Optimization, Pretraining
from ml.training.pretraining import PretrainingCallbacks, PretrainingTask, pretrain
from tests.ml.tiny import RESOLUTION, TINY_ENCODER, striped

CPU = torch.device("cpu")
NUM = 24
SMALL = {"hidden_dim": 32, "projection_dim": 16, "bottleneck_dim": 16, "num_prototypes": 24, "queue_length": 48}


def without_batch_norm(method: Method) -> Method:
    """Batch norms of projectors as layer norms: what looks at a batch's statistics sees a part's."""
    for module in method.modules():
        for name, child in module.named_children():
            if isinstance(child, torch.nn.BatchNorm1d):
                setattr(module, name, torch.nn.LayerNorm(child.num_features))
    return method


def gradients(name: str, micro_batch_size: int | None, backbone: str = "test_vit") -> tuple[Tensor, dict[str, Tensor]]:
    kind = METHODS[name]
    settings = Pretraining(
        method=name,
        optimization=Optimization(epochs=1, batch_size=NUM, lr=1e-3),
        local_views=LocalViews(num=2, resolution=RESOLUTION) if kind.supports_local_views else None,
        options={option: value for option, value in SMALL.items() if option in method_options(kind)},
        micro_batch_size=micro_batch_size,
    )
    torch.manual_seed(3)
    method = without_batch_norm(build_method(build(replace(TINY_ENCODER, backbone=backbone)), settings)).train()
    method.progress.fill_(0.5)
    task = PretrainingTask(method, striped(NUM)[0], settings, CPU)
    torch.manual_seed(4)
    loss = task.backward(torch.arange(NUM))["loss"]
    return loss, {each: p.grad for each, p in method.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("size", [1, 5, 8, 23])
@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_of_parts_is_the_whole_batchs(method: str, size: int) -> None:
    whole_loss, whole = gradients(method, None)
    loss, parts = gradients(method, size)
    assert loss.item() == pytest.approx(whole_loss.item(), rel=1e-5)
    assert parts.keys() == whole.keys()
    scale = max(float(each.abs().max()) for each in whole.values())
    for name, gradient in whole.items():
        assert torch.allclose(parts[name], gradient, rtol=1e-5, atol=1e-5 * scale), name


def test_it_is_not_the_mean_of_the_parts_own_gradients() -> None:
    _, whole = gradients("simclr", None)
    settings = Pretraining(
        method="simclr",
        optimization=Optimization(epochs=1, batch_size=NUM, lr=1e-3),
        options={"hidden_dim": 32, "projection_dim": 16},
    )
    torch.manual_seed(3)
    method = without_batch_norm(build_method(build(replace(TINY_ENCODER, backbone="test_vit")), settings)).train()
    task = PretrainingTask(method, striped(NUM)[0], settings, CPU)
    for start in range(0, NUM, 8):
        task.backward(torch.arange(start, start + 8))
    naive = method.encoder.backbone.get_parameter("patch_embed.proj.weight").grad / 3  # type: ignore[operator]
    assert not torch.allclose(naive, whole["encoder.backbone.patch_embed.proj.weight"], rtol=0.05)


class Noisy(torch.nn.Module):
    """A layer that draws."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, rows: Tensor) -> Tensor:
        return torch.nn.functional.dropout(self.inner(rows), 0.5, training=True)  # type: ignore[no-any-return]


class Recorder(torch.nn.Module):
    """Keeps what goes through it, with or without a gradient."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.seen: list[Tensor] = []

    def forward(self, rows: Tensor) -> Tensor:
        self.seen.append(self.inner(rows))
        return self.seen[-1]


def test_both_passes_draw_the_same_and_see_the_same_views() -> None:
    settings = Pretraining(
        method="simclr",
        optimization=Optimization(epochs=1, batch_size=NUM, lr=1e-3),
        options={"hidden_dim": 32, "projection_dim": 16},
        micro_batch_size=8,
    )
    method = build_method(build(TINY_ENCODER), settings).train()
    recorder = Recorder(Noisy(method.encoder.backbone))
    method.encoder.backbone = recorder
    PretrainingTask(method, striped(NUM)[0], settings, CPU).backward(torch.arange(NUM))
    first, second = recorder.seen[:3], recorder.seen[3:]
    assert len(second) == 3
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])


def test_running_statistics_move_once() -> None:
    def means(size: int | None) -> Sequence[Tensor]:
        settings = Pretraining(
            method="simclr", optimization=Optimization(epochs=1, batch_size=8, lr=1e-3), micro_batch_size=size
        )
        torch.manual_seed(0)
        method = build_method(build(replace(TINY_ENCODER, backbone="test_resnet")), settings).train()
        task = PretrainingTask(method, striped(8)[0], settings, CPU)
        torch.manual_seed(1)
        task.backward(torch.arange(8))
        return [tensor for name, tensor in method.encoder.backbone.named_buffers() if name.endswith("running_mean")]

    [whole, *_], [parts, *_] = means(None), means(4)
    # The first layer sees the images, whose mean over both parts' moves is nearly the whole's one move's.
    assert whole.abs().max() > 0
    assert torch.allclose(parts, whole * (1 + 0.9), rtol=0.3, atol=1e-3)


def test_a_training_in_parts_is_the_training_of_whole_batches_but_for_rounding() -> None:
    trained = []
    for size in (None, 8):
        settings = Pretraining(
            method="simclr",
            optimization=Optimization(epochs=2, batch_size=16, lr=1e-4),
            options={"hidden_dim": 32, "projection_dim": 16},
            micro_batch_size=size,
            execution=DEFAULT_EXECUTION,
        )
        recipe = replace(TINY_ENCODER, backbone="test_vit", pretraining=settings)
        losses: list[float] = []
        pretrain(
            recipe, striped(32)[0], CPU, PretrainingCallbacks(on_epoch=lambda each, to=losses: to.append(each["loss"]))
        )
        trained.append(losses)
    assert trained[0] == pytest.approx(trained[1], rel=0.05)  # the projector's batch norm sees parts
