"""Trains on one rank, then on two; the first rank of each saves the results.

Started by test_ranks: gradients_on_ranks FOLDER_OF_ONE FOLDER_OF_TWO METHOD:BACKBONE:MICRO_BATCH_SIZE ...
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.multiprocessing.spawn import start_processes

from ml.encoders.encoder import build
from ml.execution import describe_execution
from ml.methods import METHODS, build_method, method_options
from ml.recipe_types import DEFAULT_EXECUTION, LocalViews, Optimization, Pretraining
from ml.training.loop import Hooks, train
from ml.training.pretraining import PretrainingCallbacks, PretrainingTask, pretrain
from ml.training.ranks import Ranks, synchronize_norms
from tests.ml.tiny import TINY_ENCODER, TINY_SIMCLR, striped

SMALL = {"hidden_dim": 32, "projection_dim": 16, "bottleneck_dim": 16, "num_prototypes": 24, "queue_length": 48}


def main(method: str, backbone: str, micro_batch_size: int, output: str) -> None:
    """Trains two steps; writes the weights, the buffers and the first gradients to `output`."""
    torch.set_num_threads(1)
    kind = METHODS[method]
    settings = Pretraining(
        method=method,
        optimization=Optimization(epochs=1, batch_size=32, lr=1e-4, warmup_epochs=0),
        local_views=LocalViews(num=1, resolution=32) if kind.supports_local_views else None,
        options={name: value for name, value in SMALL.items() if name in method_options(kind)},
        micro_batch_size=micro_batch_size or None,
        execution=DEFAULT_EXECUTION,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = build_method(build(replace(TINY_ENCODER, backbone=backbone)), settings)
    module.encoder.set_memory_format(channels_last=False)  # oneDNN rounds more coarsely with channels last
    synchronize_norms(module, Ranks.current())
    task = PretrainingTask(module, striped(64)[0], settings, torch.device("cpu"))
    module.train()
    torch.manual_seed(6)
    task.backward(torch.arange(32))
    gradients = {f"gradient {name}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    losses: list[float] = []
    train(task, settings.optimization, torch.device("cpu"), 7, Hooks(on_epoch=lambda each: losses.append(each["loss"])))
    if Ranks.current().is_first:
        results = {**gradients, **module.state_dict(), "losses": torch.tensor(losses)}
        save_file(
            {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in results.items()}, output
        )


def whole_run(folder: Path) -> None:
    """Pretrains with autotuning and a checkpoint at every step; each rank saves its encoder."""
    settings = replace(TINY_SIMCLR.pretraining, execution=None)  # type: ignore[type-var]
    callbacks = PretrainingCallbacks(checkpoint=folder / "checkpoint.pt", checkpoint_every_s=0.0)
    made = pretrain(replace(TINY_SIMCLR, pretraining=settings), striped(64)[0], torch.device("cpu"), callbacks)
    assert made.tuned is not None
    rank = Ranks.current().rank
    made.encoder.save(folder / f"rank-{rank}", {"execution": describe_execution(made.tuned.execution)})


def run_rank(rank: int, world_size: int, folder: Path, cases: list[str]) -> None:
    """Trains every case on one rank."""
    if world_size > 1:
        meeting = f"file://{folder}-process-group"
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world_size)
    for case in cases:
        name, network, size = case.split(":")
        main(name, network, int(size) // world_size, f"{folder}/{case}.safetensors")
    if world_size > 1:
        whole_run(folder)
        dist.destroy_process_group()


if __name__ == "__main__":
    one, two, *cases = sys.argv[1:]
    for num, folder in ((1, one), (2, two)):
        # Forked from this process, which has imported everything and computed nothing.
        start_processes(run_rank, (num, Path(folder), cases), nprocs=num, start_method="fork")
