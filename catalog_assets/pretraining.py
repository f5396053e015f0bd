"""Pretraining of an encoder on the store's pictures, by this process or by several that work together.

The asset `encoders` starts those: torchrun on this machine, or Ray Train on a cluster whose machines all see the store
at the same place. Each runs this module, reads the same rows, and the first of them writes what came out.

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m catalog_assets.pretraining STORE ENCODER
    python -m catalog_assets.pretraining STORE ENCODER --ray 2
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.encoder_watch import online_probe
from ml.recipe_types import EncoderRecipe
from ml.recipes import encoder_recipe
from resources.compute import Compute, num_cores
from resources.pictures import Pictures
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.encoders import Encoder
    from ml.pixels import PixelRows
    from ml.training.pretraining import Pretrained

OnEpoch = Callable[[Mapping[str, float]], None]

# What the ranks leave for one another in the encoder's folder while they work.
ROWS, EPOCHS, MADE, LOG = "rows.parquet", "epochs.jsonl", "ranks", "ranks.log"
LOOK_EVERY_S = 1.0
TOLD_OF_A_FAILURE = 2_000  # characters


@dataclass(frozen=True)
class Pretraining:
    """An encoder's pretraining: its recipe, and the rows of the dataset with their split and labels."""

    store: Store
    pictures: Pictures
    recipe: EncoderRecipe
    rows: pl.DataFrame

    @property
    def folder(self) -> Path:
        """Where the encoder, its checkpoint and its best epochs lie."""
        return self.store.scratch / "encoders" / self.recipe.name

    @property
    def checkpoint(self) -> Path:
        """What a killed run goes on from."""
        return self.folder / "checkpoint.pt"

    @property
    def in_training(self) -> np.ndarray:
        """The positions of the pictures that may be learned from, labelled or not.

        Only those of the training split: an unlabelled one elsewhere may be labelled tomorrow.
        """
        return np.flatnonzero((self.rows["split"] == "train").to_numpy())

    def pixels(self) -> "PixelRows":
        """The pixels of all rows; none where nothing is learned."""
        side = self.recipe.resolution
        if self.recipe.pretraining is None:
            return np.empty((0, 3, side, side), dtype=np.uint8)
        return self.pictures.pixels(self.rows, side)

    def run(self, device: "torch.device", on_epoch: OnEpoch | None) -> "Pretrained":
        """Pretrain on this device; as one rank of several where there is a process group."""
        from ml.pixels import Chosen
        from ml.training.pretraining import Watch, pretrain

        pixels = self.pixels()
        probe = online_probe(self.rows, pixels, self.folder / "best", device) if len(pixels) else None
        watch = Watch(checkpoint=self.checkpoint, on_epoch=on_epoch, probe=probe)
        learned_from = Chosen(pixels, self.in_training) if len(pixels) else pixels
        return pretrain(self.recipe, learned_from, device, watch, self.parent())

    def parent(self) -> "Encoder | None":
        """The encoder of the library that the recipe goes on from; Failure where it is not there yet."""
        if self.recipe.parent is None:
            return None
        from ml.encoders import Encoder

        encoder_sha256(self.store, self.recipe.parent)
        return Encoder.load(self.store.here("encoders", self.recipe.parent))

    def run_on_ranks(self, compute: Compute, on_epoch: OnEpoch | None) -> "Pretrained":
        """Pretrain by the processes that `compute` asks for; Failure with their last words where they fail."""
        from ml.encoders import Encoder
        from ml.recipe_types import Execution
        from ml.training.autotune import Verdict
        from ml.training.loop import Cost
        from ml.training.pretraining import Pretrained

        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows.write_parquet(self.folder / ROWS)
        self.pixels()  # decoded once, before several would do it
        (self.folder / EPOCHS).unlink(missing_ok=True)
        with (self.folder / LOG).open("wb") as log, _started(self._command(compute), log) as process:
            told = 0
            while process.poll() is None:
                time.sleep(LOOK_EVERY_S)
                told = self._tell_epochs(on_epoch, told)
        self._tell_epochs(on_epoch, told)
        if process.returncode:
            last_words = (self.folder / LOG).read_text(errors="replace")[-TOLD_OF_A_FAILURE:]
            raise dg.Failure(
                f"{compute.num_ranks} ranks of encoder {self.recipe.name!r} ended with {process.returncode}; "
                f"{self.folder / LOG} ends: {last_words}"
            )
        made = json.loads((self.folder / MADE / "encoder.json").read_text())
        encoder = Encoder.load(self.folder / MADE)
        execution = made["execution"]
        shutil.rmtree(self.folder / MADE)
        for name in (ROWS, EPOCHS, LOG):
            (self.folder / name).unlink()
        return Pretrained(
            encoder=encoder,
            cost=Cost(**made["cost"]),
            verdict=Verdict(execution=Execution(**execution), step_s=made["step_s"]) if execution else None,
            scores={int(epoch): score for epoch, score in made["scores"].items()},
        )

    def run_as_rank(self, device: "torch.device") -> None:
        """One rank's part; the first rank tells the epochs and writes the result."""
        from ml.training.ranks import Ranks

        is_first = Ranks.here().is_first

        def tell(figures: Mapping[str, float]) -> None:
            with (self.folder / EPOCHS).open("a") as file:
                file.write(json.dumps(dict(figures)) + "\n")

        made = self.run(device, tell if is_first else None)
        if is_first:
            facts = {
                "cost": asdict(made.cost),
                "execution": asdict(made.verdict.execution) if made.verdict else None,
                "step_s": dict(made.verdict.step_s) if made.verdict else {},
                "scores": dict(made.scores),
            }
            made.encoder.save(self.folder / MADE, facts)

    def _command(self, compute: Compute) -> list[str]:
        words = ["-m", __name__, self.store.root, self.recipe.name]
        if compute.launcher == "ray":
            return [sys.executable, *words, "--ray", str(compute.num_ranks)]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={compute.num_ranks}"]
        return [sys.executable, *launcher, *words]

    def _tell_epochs(self, on_epoch: OnEpoch | None, told: int) -> int:
        """Tells of the epochs that are new since `told`; returns how many were told of by now."""
        path = self.folder / EPOCHS
        lines = (
            [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if path.exists()
            else []
        )
        for line in lines[told:]:
            if on_epoch is not None:
                on_epoch(json.loads(line))
        return len(lines)


def encoder_sha256(store: Store, name: str) -> str:
    """The fingerprint of an encoder in the library; Failure where it is not there yet."""
    record = store.read_json("encoders", name, "encoder.json")
    if record is None:
        raise dg.Failure(f"encoder {name!r} is not in the store; materialise encoders[{name}] first")
    return str(record["sha256"])


@contextmanager
def _started(command: list[str], log: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does not outlive the block."""
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - the words are ours
    try:
        yield process
    finally:
        process.terminate()  # which torchrun and Ray pass on to their workers
        process.wait()


def _rank(root: str, name: str) -> None:
    """What every rank runs, within the process group."""
    import torch

    from catalog_assets.definitions import resources

    given = resources(root)
    store, pictures, recipe = given["store"], given["pictures"], encoder_recipe(name)
    assert isinstance(store, Store)  # noqa: S101 for the type checker
    assert isinstance(pictures, Pictures)  # noqa: S101
    rows = pl.read_parquet(store.scratch / "encoders" / name / ROWS)
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
        torch.set_num_threads(max(1, num_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    Pretraining(store, pictures, recipe, rows).run_as_rank(device)


def _by_ray(root: str, name: str, num_ranks: int) -> None:
    """Ray Train's workers as ranks: on the cluster that RAY_ADDRESS names, or on this machine."""
    import ray
    import torch
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init(include_dashboard=False, log_to_driver=False)
    storage = Store(root=root).scratch / "cache" / "ray"
    TorchTrainer(
        lambda told: _rank(told["root"], told["name"]),
        train_loop_config={"root": root, "name": name},
        scaling_config=ScalingConfig(num_workers=num_ranks, use_gpu=torch.cuda.is_available()),
        run_config=RunConfig(name=name, storage_path=str(storage)),
    ).fit()


def main() -> None:
    """A rank that torchrun started, or the start of Ray's."""
    parser = argparse.ArgumentParser(prog="python -m catalog_assets.pretraining", description=__doc__)
    parser.add_argument("store", help="folder of everything made")
    parser.add_argument("encoder", help="name of a recipe, whose rows the asset `encoders` has left in its folder")
    parser.add_argument("--ray", type=int, metavar="RANKS", help="start so many ranks by Ray Train")
    options = parser.parse_args()
    if options.ray:
        _by_ray(options.store, options.encoder, options.ray)
        return
    import torch
    import torch.distributed as dist

    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        _rank(options.store, options.encoder)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
