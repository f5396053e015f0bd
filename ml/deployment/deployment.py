"""A deployment: a folder with every form of a classifier, and `deployment.json`, which says which form answers and how.

Loading one imports neither PyTorch nor timm, unless the form is PyTorch's own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ml.classifiers.hierarchy import Hierarchy, Ids
from ml.deployment.answers import Answers, answers_of
from ml.deployment.variants import LogProbabilities, Machine, Runner, variant
from ml.file_digests import file_sha256
from ml.pixels import PixelRows

if TYPE_CHECKING:
    from upath import UPath

AnyPath = TypeVar("AnyPath", Path, "UPath")
FACTS_FILE = "deployment.json"
POINTER = ("deployment", "current.json")  # below a store's root: which of its deployments answers


class Deployment:
    """A classifier that answers: pixels (num, 3, resolution, resolution), uint8, to categories."""

    def __init__(self, facts: Mapping[str, Any], runner: Runner) -> None:
        self.facts, self._runner = facts, runner
        self.resolution: int = facts["resolution"]
        self.hierarchy = hierarchy_of(facts)

    @classmethod
    def load(cls, folder: Path, machine: Machine = Machine(), form: str | None = None) -> "Deployment":  # noqa: B008
        """The deployment in a folder, in the variant that was chosen when it was made, or in another one.

        Raises:
            FileNotFoundError: the folder holds no deployment, or lacks a file of the variant.
            ValueError: a file is not the one that was written, the variant is unknown, or this device does not run it.
        """
        facts = facts_of(folder)
        name = form or facts["variant"]
        chosen = variant(name)
        if machine.device not in chosen.devices:
            raise ValueError(
                f"{folder} answers as {name}, which does not run on {machine.device!r}; materialise 'deployment' on "
                "such a machine, where it chooses again"
            )
        for file in chosen.files:
            _check(folder / file, facts["files"].get(file))
        return cls(facts, chosen.loaded(folder, machine))

    def log_probabilities(self, pixels: PixelRows) -> LogProbabilities:
        """Of leaves, (num, num_leaves), as the network says them."""
        return self._runner(pixels)

    def best_leaves(self, pixels: PixelRows) -> Ids:
        """The id of each picture's best leaf, (num,)."""
        return self.hierarchy.decode(-1, self.log_probabilities(pixels).argmax(axis=1))

    def answer(self, pixels: PixelRows, coverage: float) -> Answers:
        """Its answers, as deep as they are right in the share `coverage` of pictures.

        Raises:
            ValueError: the deployment knows no threshold for this coverage.
        """
        return self.answers_of(self.log_probabilities(pixels), coverage)

    def answers_of(self, log_probabilities: LogProbabilities, coverage: float) -> Answers:
        """The same of what the network said."""
        threshold = self.facts["thresholds"].get(f"{coverage:g}")
        if threshold is None:
            known = ", ".join(self.facts["thresholds"])
            raise ValueError(f"there is no threshold for a coverage of {coverage:g}; known are {known}")
        return answers_of(log_probabilities, self.hierarchy, self.facts["temperature"], threshold)


def hierarchy_of(facts: Mapping[str, Any]) -> Hierarchy:
    """The hierarchy that a deployment's facts tell of."""
    return Hierarchy(
        ids=tuple(tuple(level) for level in facts["level_ids"]),
        parents=tuple(tuple(level) for level in facts["level_parents"]),
    )


def facts_of(folder: "Path | UPath") -> dict[str, Any]:
    """The facts of the deployment in a folder; FileNotFoundError where it holds none."""
    if not (folder / FACTS_FILE).is_file():
        raise FileNotFoundError(f"{folder} holds no {FACTS_FILE}; materialise the asset 'deployment'")
    facts: dict[str, Any] = json.loads((folder / FACTS_FILE).read_text())
    return facts


def current_folder(root: AnyPath) -> AnyPath:
    """The folder of the deployment that answers in the store at `root`; FileNotFoundError where none does yet."""
    pointer = root.joinpath(*POINTER)
    if not pointer.is_file():
        raise FileNotFoundError(
            f"nothing is deployed in {str(root)!r}; materialise the asset 'deployment' (job 'deploy') once there is a "
            "champion"
        )
    return pointer.parent / str(json.loads(pointer.read_text())["folder"])


def _check(path: Path, wanted: str | None) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; materialise the asset 'deployment' again")
    found = file_sha256(path)
    if found != wanted:
        raise ValueError(
            f"{path} has the fingerprint {found[:12]}..., but {FACTS_FILE} was written for "
            f"{(wanted or 'none')[:12]}...; materialise the asset 'deployment' again"
        )
