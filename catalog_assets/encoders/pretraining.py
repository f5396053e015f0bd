"""Pretraining of an encoder on the store's images, in this process or on several distributed ranks.

The asset `encoders` starts the ranks: by torchrun on this machine, or by Ray Train on a cluster whose machines all
reach the store by the same path. Each rank runs this module and reads the same rows; the first writes the result.

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m catalog_assets.encoders.pretraining STORE ENCODER
    python -m catalog_assets.encoders.pretraining STORE ENCODER --ray 2
"""

import argparse
import json
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

from catalog.storage.cores import num_cores
from catalog_assets.encoders.online_probe import online_probe
from ml.recipe_types import EncoderRecipe
from resources.compute import Compute
from resources.configured import configured
from resources.images import StoredImages
from resources.recipes import RECIPES
from resources.settings import Settings, local_rank, num_local_ranks
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.encoders.encoder import Encoder
    from ml.pixels import PixelsLike
    from ml.training.pretraining import Pretrained

OnEpoch = Callable[[Mapping[str, float]], None]

# Temporary files of the ranks in the encoder's folder.
ROWS, EPOCHS, RESULT, LOG = "rows.parquet", "epochs.jsonl", "ranks", "ranks.log"
POLL_INTERVAL_S = 1.0
MAX_LOG_CHARACTERS = 2_000  # of a failure's message


@dataclass(frozen=True)
class Pretraining:
    """An encoder's pretraining: its recipe, and the rows of the dataset with their split and labels."""

    store: Store
    stored_images: StoredImages
    recipe: EncoderRecipe
    rows: pl.DataFrame

    @property
    def folder(self) -> Path:
        """The folder of the encoder, its checkpoint and its best epochs."""
        return self.store.scratch / "encoders" / self.recipe.name

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file, from which an interrupted run resumes."""
        return self.folder / "checkpoint.pt"

    @property
    def in_training(self) -> np.ndarray:
        """The positions (num,) of the training split's images, labeled or not.

        Unlabeled images of other splits are excluded, because they may get a label later.
        """
        return np.flatnonzero((self.rows["split"] == "train").to_numpy())

    def pixels(self) -> "PixelsLike":
        """The pixels of all rows, (n, 3, resolution, resolution); n is 0 for a recipe without pretraining."""
        side = self.recipe.resolution
        if self.recipe.pretraining is None:
            return np.empty((0, 3, side, side), dtype=np.uint8)
        return self.stored_images.pixels(self.rows, side, self.recipe.fit)

    def run(self, device: "torch.device", on_epoch: OnEpoch | None) -> "Pretrained":
        """Pretrains on this device; within a process group, as one of its ranks."""
        from ml.pixels import PixelSubset
        from ml.training.pretraining import PretrainingCallbacks, pretrain

        pixels = self.pixels()
        probe = online_probe(self.rows, pixels, self.folder / "best", device) if len(pixels) else None
        callbacks = PretrainingCallbacks(checkpoint=self.checkpoint, on_epoch=on_epoch, probe=probe)
        training = PixelSubset(pixels, self.in_training) if len(pixels) else pixels
        return pretrain(self.recipe, training, device, callbacks, self.parent())

    def parent(self) -> "Encoder | None":
        """Loads the encoder that the recipe starts from, if any; raises Failure where it is not in the store yet."""
        if self.recipe.parent is None:
            return None
        from ml.encoders.encoder import Encoder

        encoder_sha256(self.store, self.recipe.parent)
        return Encoder.load(self.store.sync_down("encoders", self.recipe.parent))

    def run_on_ranks(self, compute: Compute, on_epoch: OnEpoch | None) -> "Pretrained":
        """Pretrains on the ranks that `compute` configures; raises Failure with the end of their log."""
        from ml.encoders.encoder import Encoder
        from ml.recipe_types import Execution
        from ml.training.autotune import TunedExecution
        from ml.training.loop import TrainingCost
        from ml.training.pretraining import Pretrained

        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows.write_parquet(self.folder / ROWS)
        self.pixels()  # decode once, before the ranks start
        (self.folder / EPOCHS).unlink(missing_ok=True)
        with (self.folder / LOG).open("wb") as log, _subprocess(self._command(compute), log) as process:
            num_reported = 0
            while process.poll() is None:
                time.sleep(POLL_INTERVAL_S)
                num_reported = self._report_epochs(on_epoch, num_reported)
        self._report_epochs(on_epoch, num_reported)
        if process.returncode:
            end_of_log = (self.folder / LOG).read_text(errors="replace")[-MAX_LOG_CHARACTERS:]
            raise dg.Failure(
                f"{compute.num_ranks} ranks of encoder {self.recipe.name!r} ended with {process.returncode}; "
                f"{self.folder / LOG} ends: {end_of_log}"
            )
        result = json.loads((self.folder / RESULT / "encoder.json").read_text())
        encoder = Encoder.load(self.folder / RESULT)
        execution = result["execution"]
        shutil.rmtree(self.folder / RESULT)
        for name in (ROWS, EPOCHS, LOG):
            (self.folder / name).unlink()
        return Pretrained(
            encoder=encoder,
            cost=TrainingCost(**result["cost"]),
            tuned=TunedExecution(execution=Execution(**execution), step_s=result["step_s"]) if execution else None,
            scores={int(epoch): score for epoch, score in result["scores"].items()},
        )

    def run_as_rank(self, device: "torch.device") -> None:
        """Pretrains as one rank; the first rank also reports the epochs and writes the result."""
        from ml.training.ranks import Ranks

        is_first = Ranks.current().is_first

        def report(figures: Mapping[str, float]) -> None:
            with (self.folder / EPOCHS).open("a") as file:
                file.write(json.dumps(dict(figures)) + "\n")

        result = self.run(device, report if is_first else None)
        if is_first:
            metadata = {
                "cost": asdict(result.cost),
                "execution": asdict(result.tuned.execution) if result.tuned else None,
                "step_s": dict(result.tuned.step_s) if result.tuned else {},
                "scores": dict(result.scores),
            }
            result.encoder.save(self.folder / RESULT, metadata)

    def _command(self, compute: Compute) -> list[str]:
        arguments = ["-m", __name__, self.store.root, self.recipe.name]
        if compute.launcher == "ray":
            return [sys.executable, *arguments, "--ray", str(compute.num_ranks)]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={compute.num_ranks}"]
        return [sys.executable, *launcher, *arguments]

    def _report_epochs(self, on_epoch: OnEpoch | None, num_reported: int) -> int:
        """Calls `on_epoch` for the epochs after the first `num_reported`; returns the number reported by now."""
        path = self.folder / EPOCHS
        lines = (
            [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if path.exists()
            else []
        )
        for line in lines[num_reported:]:
            if on_epoch is not None:
                on_epoch(json.loads(line))
        return len(lines)


def encoder_sha256(store: Store, name: str) -> str:
    """Returns the SHA-256 of a stored encoder; raises Failure where it is not in the store yet."""
    record = store.read_json("encoders", name, "encoder.json")
    if record is None:
        raise dg.Failure(f"encoder {name!r} is not in the store; materialize encoders[{name}] first")
    return str(record["sha256"])


@contextmanager
def _subprocess(command: list[str], log: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts a process, and terminates it at the end of the block."""
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - the arguments are ours
    try:
        yield process
    finally:
        process.terminate()  # which torchrun and Ray pass on to their workers
        process.wait()


def _run_rank(root: str, name: str) -> None:
    """Runs one rank within the process group."""
    import torch

    resources = configured(Settings.read(store=root))
    store, stored_images, recipe = resources["store"], resources["stored_images"], RECIPES.encoder(name)
    assert isinstance(store, Store)  # noqa: S101 for the type checker
    assert isinstance(stored_images, StoredImages)  # noqa: S101
    rows = pl.read_parquet(store.scratch / "encoders" / name / ROWS)
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank())
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
        torch.set_num_threads(max(1, num_cores() // num_local_ranks()))
    Pretraining(store, stored_images, recipe, rows).run_as_rank(device)


def _run_on_ray(root: str, name: str, num_ranks: int) -> None:
    """Runs the ranks as workers of Ray Train: on the cluster of RAY_ADDRESS, or on this machine."""
    import ray
    import torch
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init(include_dashboard=False, log_to_driver=False)
    storage = Store(root=root).scratch / "cache" / "ray"
    TorchTrainer(
        lambda config: _run_rank(config["root"], config["name"]),
        train_loop_config={"root": root, "name": name},
        scaling_config=ScalingConfig(num_workers=num_ranks, use_gpu=torch.cuda.is_available()),
        run_config=RunConfig(name=name, storage_path=str(storage)),
    ).fit()


def main() -> None:
    """Runs a rank that torchrun started; with --ray, starts the ranks by Ray Train."""
    parser = argparse.ArgumentParser(prog="python -m catalog_assets.encoders.pretraining", description=__doc__)
    parser.add_argument("store", help="folder of the store")
    parser.add_argument("encoder", help="name of a recipe, whose rows the asset `encoders` has written to its folder")
    parser.add_argument("--ray", type=int, metavar="RANKS", help="start this number of ranks by Ray Train")
    options = parser.parse_args()
    if options.ray:
        _run_on_ray(options.store, options.encoder, options.ray)
        return
    import torch
    import torch.distributed as dist

    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        _run_rank(options.store, options.encoder)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
