"""Autotuning chooses the fastest execution and changes nothing else."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import torch._inductor.config
from torch import nn

from ml.encoders.encoder import Encoder, build
from ml.execution import autocast, describe_execution, executing
from ml.methods import build_method
from ml.methods.method import Method
from ml.recipe_types import DEFAULT_EXECUTION, Execution, LocalViews
from ml.training.autotune import autotune
from ml.training.loop import Hooks, train
from ml.training.pretraining import PretrainingCallbacks, PretrainingTask, pretrain, view_kinds
from tests.ml.tiny import TINY_ENCODER, TINY_SIMCLR, striped


class FakeClock:
    """A clock that advances only when a test adds to `now`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


CPU = torch.device("cpu")
BFLOAT16 = Execution(precision="bfloat16")


@pytest.fixture
def method() -> Method:
    assert TINY_SIMCLR.pretraining is not None
    return build_method(build(TINY_ENCODER), TINY_SIMCLR.pretraining)


def test_the_fastest_execution_is_chosen_and_all_times_are_reported(method: Method) -> None:
    clock = FakeClock()

    def step(trial: Method, execution: Execution) -> None:
        clock.now += 0.25 if execution == BFLOAT16 else 2.0

    tuned = autotune(method, step, CPU, num_steps=10, clock=clock)
    assert tuned.execution == BFLOAT16
    assert tuned.step_s == {
        "float32, channels last": 2.0,
        "float32, channels first": 2.0,
        "bfloat16, channels last": 0.25,
        "bfloat16, channels first": 2.0,
    }


@pytest.mark.parametrize(("seconds", "chosen"), [(0.98, DEFAULT_EXECUTION), (0.96, BFLOAT16)])
def test_another_execution_has_to_be_three_percent_faster(method: Method, seconds: float, chosen: Execution) -> None:
    clock = FakeClock()

    def step(trial: Method, execution: Execution) -> None:
        clock.now += seconds if execution == BFLOAT16 else 1.0

    assert autotune(method, step, CPU, num_steps=10, clock=clock).execution == chosen


def test_an_execution_that_fails_on_the_device_is_left_out(method: Method, caplog: pytest.LogCaptureFixture) -> None:
    def step(trial: Method, execution: Execution) -> None:
        if execution.precision == "bfloat16":
            raise RuntimeError("no bfloat16 here")

    tuned = autotune(method, step, CPU, num_steps=10)
    assert all(name.startswith("float32") for name in tuned.step_s)
    assert "this device does not compute in bfloat16, channels last: no bfloat16 here" in caplog.text


def test_only_a_long_training_is_compiled(method: Method) -> None:
    clock = FakeClock()

    def step(trial: Method, execution: Execution) -> None:
        assert not execution.compiled or trial.encoder.backbone._compiled_call_impl is not None
        clock.now += 0.5 if execution.compiled else 1.0

    assert not autotune(method, step, CPU, num_steps=1_200, clock=clock).execution.compiled
    assert autotune(method, step, CPU, num_steps=1_201, clock=clock).execution.compiled
    assert method.encoder.backbone._compiled_call_impl is None


def test_measuring_changes_neither_the_method_nor_the_random_state(method: Method) -> None:
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    rng = torch.get_rng_state()

    def step(trial: Method, execution: Execution) -> None:
        torch.rand(1)
        with torch.no_grad():
            for parameter in trial.parameters():
                parameter.add_(1.0)

    autotune(method, step, CPU, num_steps=10)
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.state_dict().items())
    assert torch.equal(rng, torch.get_rng_state())


def test_precision_and_memory_format_apply_only_within_the_context(method: Method) -> None:
    images = torch.from_numpy(striped(4)[0])
    with executing(method, replace(BFLOAT16, channels_last=False)), autocast(BFLOAT16, CPU):
        assert method.encoder(images).dtype == torch.bfloat16
        weight = next(each for each in method.encoder.backbone.parameters() if each.ndim == 4 and each.shape[1] > 1)
        assert weight.is_contiguous()
    assert method.encoder(images).dtype == torch.float32
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_a_resumed_run_keeps_its_execution(tmp_path: Path) -> None:
    assert TINY_SIMCLR.pretraining is not None
    began = replace(TINY_SIMCLR, pretraining=replace(TINY_SIMCLR.pretraining, execution=None))
    path = tmp_path / "checkpoint.pt"

    class StoppedError(Exception):
        pass

    def stop(metrics: object) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        pretrain(began, striped(64)[0], CPU, PretrainingCallbacks(checkpoint=path, on_epoch=stop))
    notes = torch.load(path, weights_only=True)["notes"]
    resumed = pretrain(began, striped(64)[0], CPU, PretrainingCallbacks(checkpoint=path))
    assert resumed.cost.resumed_after_step > 0
    assert resumed.tuned is not None
    assert asdict(resumed.tuned.execution) == notes["execution"]
    assert resumed.tuned.step_s == notes["step_s"]
    assert describe_execution(resumed.tuned.execution) in resumed.tuned.step_s


# Without vector instructions, since for each set of them that the processor has, a program is compiled to try it.
@torch._inductor.config.patch({"cpp.vec_isa_ok": False, "cpp_cache_precompile_headers": False})
def test_a_compiled_training_has_the_losses_of_an_eager_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    settings = TINY_SIMCLR.pretraining
    assert settings is not None
    losses: dict[bool, list[float]] = {False: [], True: []}
    for compiled, epoch_losses in losses.items():
        torch.manual_seed(0)
        # Few operations, since compiling a whole backbone takes a minute.
        layers = nn.Sequential(nn.Conv2d(3, 2, 8, stride=8), nn.GELU(), nn.Flatten())
        module = build_method(Encoder("test_vit", layers, 32, "random"), settings)
        task = PretrainingTask(module, striped(32)[0], settings, CPU)
        hooks = Hooks(on_epoch=lambda metrics, to=epoch_losses: to.append(metrics["loss"]))
        with executing(module, Execution(compiled=compiled)):
            train(task, settings.optimization, CPU, 0, hooks)
        assert module.encoder.backbone._compiled_call_impl is None
        assert not any("_orig_mod" in name for name in module.state_dict())
    assert losses[True][0] == pytest.approx(losses[False][0], rel=1e-4)
    assert losses[True] == pytest.approx(losses[False], rel=0.02)  # AdamW amplifies rounding


def test_a_backbone_of_one_size_gets_local_views_of_that_size(caplog: pytest.LogCaptureFixture) -> None:
    assert TINY_SIMCLR.pretraining is not None
    settings = replace(TINY_SIMCLR.pretraining, method="dino", options={}, local_views=LocalViews(num=2, resolution=16))
    module = build_method(build(replace(TINY_ENCODER, backbone="vit_tiny_patch16_224")), settings)
    assert [resolution for _, resolution in view_kinds(settings, module)] == [32, 32, 32, 32]
    assert "vit_tiny_patch16_224 does not accept 16 px" in caplog.text
    flexible = build_method(build(replace(TINY_ENCODER, backbone="test_resnet")), settings)
    assert [resolution for _, resolution in view_kinds(settings, flexible)] == [32, 32, 16, 16]
