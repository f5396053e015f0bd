"""Autotune: the fastest way is taken, and nothing else changes."""

import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from ml.encoders import build
from ml.methods import build_method
from ml.methods.method import Method
from ml.recipe_types import PLAIN, Execution, LocalViews
from ml.training.autotune import autotune
from ml.training.execution import autocast, described, executing
from ml.training.pretraining import Watch, pretrain, view_kinds
from tests.ml.tiny import TINY_ENCODER, TINY_SIMCLR, striped

CPU = torch.device("cpu")
BFLOAT16 = Execution(precision="bfloat16")


@pytest.fixture
def method() -> Method:
    assert TINY_SIMCLR.pretraining is not None
    return build_method(build(TINY_ENCODER), TINY_SIMCLR.pretraining)


def test_the_fastest_way_is_chosen_and_every_time_is_told(method: Method) -> None:
    def step(trial: Method, execution: Execution) -> None:
        time.sleep(0.002 if execution == BFLOAT16 else 0.02)

    verdict = autotune(method, step, CPU, num_steps=10)
    assert verdict.execution == BFLOAT16
    assert set(verdict.step_s) == {
        "float32, channels last",
        "float32, channels first",
        "bfloat16, channels last",
        "bfloat16, channels first",
    }
    assert verdict.step_s["bfloat16, channels last"] == min(verdict.step_s.values())


def test_a_way_that_is_hardly_faster_is_not_worth_it(method: Method) -> None:
    def step(trial: Method, execution: Execution) -> None:
        time.sleep(0.0199 if execution == BFLOAT16 else 0.02)

    assert autotune(method, step, CPU, num_steps=10).execution == PLAIN


def test_a_way_that_the_device_refuses_is_left_out(method: Method, caplog: pytest.LogCaptureFixture) -> None:
    def step(trial: Method, execution: Execution) -> None:
        if execution.precision == "bfloat16":
            raise RuntimeError("no bfloat16 here")
        time.sleep(0.01)

    verdict = autotune(method, step, CPU, num_steps=10)
    assert all(name.startswith("float32") for name in verdict.step_s)
    assert "this device does not compute in bfloat16, channels last: no bfloat16 here" in caplog.text


def test_only_a_long_training_is_worth_compiling(method: Method) -> None:
    def step(trial: Method, execution: Execution) -> None:
        assert not execution.compiled or trial.encoder.backbone._compiled_call_impl is not None
        time.sleep(0.001 if execution.compiled else 0.01)

    assert not autotune(method, step, CPU, num_steps=100).execution.compiled
    verdict = autotune(method, step, CPU, num_steps=10_000_000)
    assert verdict.execution.compiled
    assert method.encoder.backbone._compiled_call_impl is None


def test_timing_leaves_the_method_and_random_numbers_as_they_were(method: Method) -> None:
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


def test_networks_compute_in_the_precision_within_and_the_layout_is_given_back(method: Method) -> None:
    pictures = torch.from_numpy(striped(4)[0])
    with executing(method, replace(BFLOAT16, channels_last=False)), autocast(BFLOAT16, CPU):
        assert method.encoder(pictures).dtype == torch.bfloat16
        weight = next(each for each in method.encoder.backbone.parameters() if each.ndim == 4 and each.shape[1] > 1)
        assert weight.is_contiguous()
    assert method.encoder(pictures).dtype == torch.float32
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_a_resumed_run_computes_as_it_began(tmp_path: Path) -> None:
    assert TINY_SIMCLR.pretraining is not None
    began = replace(TINY_SIMCLR, pretraining=replace(TINY_SIMCLR.pretraining, execution=None))
    path = tmp_path / "checkpoint.pt"

    class StoppedError(Exception):
        pass

    def stop(metrics: object) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        pretrain(began, striped(64)[0], CPU, Watch(checkpoint=path, on_epoch=stop))
    notes = torch.load(path, weights_only=True)["notes"]
    resumed = pretrain(began, striped(64)[0], CPU, Watch(checkpoint=path))
    assert resumed.cost.resumed_after_step > 0
    assert resumed.verdict is not None
    assert asdict(resumed.verdict.execution) == notes["execution"]
    assert resumed.verdict.step_s == notes["step_s"]
    assert described(resumed.verdict.execution) in resumed.verdict.step_s


def test_a_compiled_training_has_the_losses_of_a_plain_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert TINY_SIMCLR.pretraining is not None
    losses: dict[bool, list[float]] = {False: [], True: []}
    for compiled, told in losses.items():
        settings = replace(TINY_SIMCLR.pretraining, execution=Execution(compiled=compiled))
        recipe = replace(TINY_SIMCLR, backbone="test_vit", pretraining=settings)
        made = pretrain(recipe, striped(32)[0], CPU, Watch(on_epoch=lambda each, to=told: to.append(each["loss"])))
        assert made.encoder.backbone._compiled_call_impl is None
        assert not any("_orig_mod" in name for name in made.encoder.state_dict())
    assert losses[True][0] == pytest.approx(losses[False][0], rel=1e-4)
    assert losses[True] == pytest.approx(losses[False], rel=0.02)  # AdamW makes much of the last digits


def test_a_backbone_of_one_size_gets_local_views_of_it_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert TINY_SIMCLR.pretraining is not None
    settings = replace(TINY_SIMCLR.pretraining, method="dino", options={}, local_views=LocalViews(num=2, resolution=16))
    module = build_method(build(replace(TINY_ENCODER, backbone="vit_tiny_patch16_224")), settings)
    assert [resolution for _, resolution in view_kinds(settings, module)] == [32, 32, 32, 32]
    assert "vit_tiny_patch16_224 takes no 16 px" in caplog.text
    flexible = build_method(build(replace(TINY_ENCODER, backbone="test_resnet")), settings)
    assert [resolution for _, resolution in view_kinds(settings, flexible)] == [32, 32, 16, 16]
