"""Materialises assets of a store in a process that kills itself by SIGKILL at a moment: as a function is called.

Usage: python -m tests.faults.killed_run ROOT ASSETS PARTITION MODULE:FUNCTION before|after NUM_CALLS
with ASSETS by commas and PARTITION empty for none.
"""

import os
import pkgutil
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

import ml.deployment.deploying
import resources.labeller
from catalog_assets.definitions import ASSET_MODULES
from catalog_assets.definitions import resources as resources_of
from demo.flow import QUIET
from ml.deployment.deployment import FACTS_FILE, current_folder, facts_of


def kill_at(function: str, when: str, num_calls: int) -> None:
    """End this process before or after the so-manieth call of `module:name` or `module:class.name`."""
    owner, _, name = function.replace(":", ".").rpartition(".")
    place = pkgutil.resolve_name(owner)
    called: Callable[..., Any] = getattr(place, name)
    left = iter(range(num_calls - 1, -1, -1))

    def deadly(*args: Any, **kwargs: Any) -> Any:
        is_last = next(left) == 0
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        told = called(*args, **kwargs)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return told

    setattr(place, name, deadly)


def materialise(root: Path, assets: list[str], partition: str | None) -> dg.ExecuteInProcessResult:
    """What a run of the store's own resources makes of these assets."""
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        return dg.materialize(
            dg.load_assets_from_modules(ASSET_MODULES),
            selection=dg.AssetSelection.assets(*assets),
            partition_key=partition,
            resources=resources_of(str(root)),
            instance=instance,
            run_config=QUIET,
            raise_on_error=False,
        )


def exported_by_copy(root: Path) -> Callable[..., Mapping[str, Any]]:
    """Stands in for `deploy`: an export takes half a minute, so the files are those of the deployment that answers.

    They come one by one and the facts last, as they do in an export.
    """

    def deploy(_classifier: object, folder: Path, *_rest: object) -> Mapping[str, Any]:
        folder.mkdir(parents=True)
        for file in sorted(current_folder(root).iterdir(), key=lambda file: file.name == FACTS_FILE):
            shutil.copy(file, folder)
        return facts_of(folder)

    return deploy


if __name__ == "__main__":
    place = Path(sys.argv[1])
    resources.labeller.MIN_FOR_PROCESSES = 1  # decoding processes are among what is killed
    ml.deployment.deploying.deploy = exported_by_copy(place)
    kill_at(sys.argv[4], sys.argv[5], int(sys.argv[6]))
    materialise(place, sys.argv[2].split(","), sys.argv[3] or None)
