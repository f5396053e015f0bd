"""Trains on one rank of some; what the first rank comes to is saved.

Started by test_ranks: gradients_on_ranks FOLDER METHOD:BACKBONE:MICRO_BATCH_SIZE ...
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from ml.encoders import build
from ml.methods import METHODS, build_method, options_of
from ml.recipe_types import PLAIN, LocalViews, Optimisation, Pretraining
from ml.training.execution import described
from ml.training.loop import Hooks, train
from ml.training.pretraining import PretrainingTask, Watch, pretrain
from ml.training.ranks import Ranks, synchronise_norms
from tests.ml.tiny import TINY_ENCODER, TINY_SIMCLR, striped

SMALL = {"hidden_dim": 32, "projection_dim": 16, "bottleneck_dim": 16, "num_prototypes": 24, "queue_length": 48}


def main(method: str, backbone: str, micro_batch_size: int, answer: str) -> None:
    """A few steps of a method; its weights, buffers and first gradients go to `answer`."""
    torch.set_num_threads(1)
    kind = METHODS[method]
    settings = Pretraining(
        method=method,
        optimisation=Optimisation(epochs=2, batch_size=32, lr=1e-4, warmup_epochs=0),
        local_views=LocalViews(num=1, resolution=32) if kind.takes_local_views else None,
        options={name: value for name, value in SMALL.items() if name in options_of(kind)},
        micro_batch_size=micro_batch_size or None,
        execution=PLAIN,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = build_method(build(replace(TINY_ENCODER, backbone=backbone)), settings)
    module.encoder.set_layout(channels_last=False)  # oneDNN rounds more coarsely in the other
    synchronise_norms(module, Ranks.here())
    task = PretrainingTask(module, striped(64)[0], settings, torch.device("cpu"))
    module.train()
    torch.manual_seed(6)
    task.backward(torch.arange(32))
    gradients = {f"gradient {name}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    losses: list[float] = []
    train(task, settings.optimisation, torch.device("cpu"), 7, Hooks(on_epoch=lambda each: losses.append(each["loss"])))
    if Ranks.here().is_first:
        told = {**gradients, **module.state_dict(), "losses": torch.tensor(losses)}
        save_file({name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in told.items()}, answer)


def whole_run(folder: Path) -> None:
    """A pretraining with a checkpoint at every step, computed the fastest way; what each rank ends with is saved."""
    settings = replace(TINY_SIMCLR.pretraining, execution=None)  # type: ignore[type-var]
    watch = Watch(checkpoint=folder / "checkpoint.pt", checkpoint_every_s=0.0)
    made = pretrain(replace(TINY_SIMCLR, pretraining=settings), striped(64)[0], torch.device("cpu"), watch)
    assert made.verdict is not None
    rank = Ranks.here().rank
    made.encoder.save(folder / f"rank-{rank}", {"execution": described(made.verdict.execution)})


if __name__ == "__main__":
    if "RANK" in os.environ:  # as torchrun starts it
        dist.init_process_group("gloo")
    folder, *cases = sys.argv[1:]
    for case in cases:
        name, network, size = case.split(":")
        main(name, network, int(size) // Ranks.here().num, f"{folder}/{case}.safetensors")
    whole_run(Path(folder))
    if dist.is_initialized():
        dist.destroy_process_group()
