"""Deployments: a folder with every variant of a classifier and `deployment.json`, which names the one in use.

Loading one imports neither PyTorch nor timm, unless the variant is a PyTorch one.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ml.classifiers.hierarchy import Hierarchy, Ids
from ml.deployment.categories import CategoryPredictions, categorize
from ml.deployment.variants import LogProbabilities, Machine, Runner, variant_named
from ml.file_digests import file_sha256
from ml.pixels import PixelsLike
from ml.recipe_types import FORMER_FIT, Fit

if TYPE_CHECKING:
    from upath import UPath

AnyPath = TypeVar("AnyPath", Path, "UPath")
METADATA_FILE = "deployment.json"
POINTER = ("deployment", "current.json")  # below a store's root: names the deployment in use


class Deployment:
    """A deployed classifier: pixels (num, 3, resolution, resolution), uint8, to categories.

    `fit` is the conversion of images that are not square, for `decode_pixels`.
    """

    def __init__(self, facts: Mapping[str, Any], runner: Runner) -> None:
        self.facts, self._runner = facts, runner
        self.resolution: int = facts["resolution"]
        self.fit: Fit = facts.get("fit", FORMER_FIT)
        self.hierarchy = hierarchy_of(facts)

    @classmethod
    def load(cls, folder: Path, machine: Machine = Machine(), variant: str | None = None) -> "Deployment":  # noqa: B008
        """Load the deployment in a folder.

        Args:
            folder: written by `deploy`.
            machine: the device, threads and batch size to use.
            variant: a key of `VARIANTS`; None for the one chosen when the deployment was made.

        Raises:
            FileNotFoundError: the folder holds no deployment, or lacks a file of the variant.
            ValueError: a file's fingerprint does not match, the variant is unknown, or it does not run on this device.
        """
        facts = read_metadata(folder)
        name = variant or facts["variant"]
        chosen = variant_named(name)
        if machine.device not in chosen.devices:
            raise ValueError(
                f"variant {name} of {folder} does not run on {machine.device!r}; materialize 'deployment' on such a "
                "machine, where it chooses again"
            )
        for file in chosen.files:
            _check(folder / file, facts["files"].get(file))
        return cls(facts, chosen.loaded(folder, machine))

    def log_probabilities(self, pixels: PixelsLike) -> LogProbabilities:
        """Return the network's log-probabilities of leaves, (num, num_leaves)."""
        return self._runner(pixels)

    def best_leaves(self, pixels: PixelsLike) -> Ids:
        """Return the taxonomy id of each image's most probable leaf, (num,)."""
        return self.hierarchy.decode(-1, self.log_probabilities(pixels).argmax(axis=1))

    def predict(self, pixels: PixelsLike, coverage: float) -> CategoryPredictions:
        """Predict the deepest categories that are right for the share `coverage` of images.

        Raises:
            ValueError: the deployment has no threshold for this coverage.
        """
        return self.categorize(self.log_probabilities(pixels), coverage)

    def categorize(self, log_probabilities: LogProbabilities, coverage: float) -> CategoryPredictions:
        """Predict from the network's log-probabilities of leaves (num, num_leaves), as `predict` does from pixels."""
        threshold = self.facts["thresholds"].get(f"{coverage:g}")
        if threshold is None:
            known = ", ".join(self.facts["thresholds"])
            raise ValueError(f"there is no threshold for a coverage of {coverage:g}; known are {known}")
        return categorize(log_probabilities, self.hierarchy, self.facts["temperature"], threshold)


def hierarchy_of(facts: Mapping[str, Any]) -> Hierarchy:
    """Return the hierarchy that a deployment's metadata describe."""
    return Hierarchy(
        ids=tuple(tuple(level) for level in facts["level_ids"]),
        parents=tuple(tuple(level) for level in facts["level_parents"]),
    )


def read_metadata(folder: "Path | UPath") -> dict[str, Any]:
    """Read the metadata of the deployment in a folder.

    Raises:
        FileNotFoundError: the folder holds no deployment.
    """
    if not (folder / METADATA_FILE).is_file():
        raise FileNotFoundError(f"{folder} holds no {METADATA_FILE}; materialize the asset 'deployment'")
    metadata: dict[str, Any] = json.loads((folder / METADATA_FILE).read_text())
    return metadata


def current_folder(root: AnyPath) -> AnyPath:
    """Return the folder of the deployment in use in the store at `root`.

    Raises:
        FileNotFoundError: nothing is deployed yet.
        ValueError: the folder's metadata are not those that were put in use.
    """
    pointer = root.joinpath(*POINTER)
    if not pointer.is_file():
        raise FileNotFoundError(
            f"nothing is deployed in {str(root)!r}; materialize the asset 'deployment' (job 'deploy') once there is a "
            "champion"
        )
    record = json.loads(pointer.read_text())
    folder = pointer.parent / str(record["folder"])
    wanted = record.get("sha256")  # absent from pointers of earlier versions
    metadata = folder / METADATA_FILE
    if wanted is not None and metadata.is_file():
        found = hashlib.sha256(metadata.read_bytes()).hexdigest()
        if found != wanted:
            raise ValueError(
                f"{metadata} has the fingerprint {found}, but {pointer} was written for {wanted}; materialize the "
                "asset 'deployment' again"
            )
    return folder


def _check(path: Path, wanted: str | None) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; materialize the asset 'deployment' again")
    found = file_sha256(path)
    if found != wanted:
        raise ValueError(
            f"{path} has the fingerprint {found[:12]}..., but {METADATA_FILE} was written for "
            f"{(wanted or 'none')[:12]}...; materialize the asset 'deployment' again"
        )
