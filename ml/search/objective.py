"""The objective of a search: what one rung of one candidate is worth on validation examples.

Trials run in processes of their own, so an objective is small and names files, which every process maps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ml.recipe_types import ClassifierRecipe
from ml.search.metrics import Score
from ml.search.space import Candidate

if TYPE_CHECKING:
    import torch

    from ml.pixels import PixelRows

MAX_PROBED = 10_000  # labels; more move the order of encoders little
PROBE_WEIGHT_DECAYS = (1e-1, 1e-2, 1e-3)


class Objective(Protocol):
    """What a search maximises. It is pickled into every trial's process."""

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path) -> float:
        """The metric of a candidate trained for so many epochs; on rung 0, of its encoder's probe.

        A rung that was cut off goes on from the checkpoint file.

        Raises:
            FloatingPointError: the training diverged.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the trials of one encoder need, for the same pictures in the same order.

    `encoder` is the folder that it was saved in, `embeddings` an .npy file (n, dim); `pixels` are (n, 3, h, w), or an
    .npy file of them.
    """

    encoder: Path
    embeddings: Path
    pixels: "Path | PixelRows"

    def mapped_pixels(self) -> "PixelRows":
        """The pixels, of a file without reading it."""
        if isinstance(self.pixels, Path):
            mapped: NDArray[np.uint8] = np.load(self.pixels, mmap_mode="r")
            return mapped
        return self.pixels


@dataclass(frozen=True, kw_only=True)
class Finetuning:
    """Fine-tuned classifiers over the encoders of a library, judged on the leaves of validation examples.

    `labels` are taxonomy ids (n, num_levels) of all pictures; `training` and `validation` are positions in them. A
    diverged, exhausted or killed trial is its process's affair: nothing here catches it.
    """

    base: ClassifierRecipe
    library: Mapping[str, Material]
    labels: NDArray[np.int64]
    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    score: Score
    device: str = "cpu"
    num_threads: int = 1

    def __post_init__(self) -> None:
        for name, positions in (("training", self.training), ("validation", self.validation)):
            if not len(positions):
                raise ValueError(f"the search has no labelled {name} example; take in a delivery with labels")

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path) -> float:
        """As the protocol has it."""
        import torch

        torch.set_num_threads(self.num_threads)
        device = torch.device(self.device)
        material = self.library[candidate.encoder]
        return self._probed(material, device) if rung == 0 else self._tuned(candidate, epochs, checkpoint, device)

    def _probed(self, material: Material, device: "torch.device") -> float:
        """The metric of logistic regression on the encoder's cached embeddings, of the best weight decay."""
        from ml.probes import fit_linear_probes
        from ml.vectors import Labelled

        embeddings = np.load(material.embeddings, mmap_mode="r")
        rng = np.random.default_rng(self.base.seed)
        training = self.training
        if len(training) > MAX_PROBED:
            training = np.sort(rng.choice(training, MAX_PROBED, replace=False))
        train = Labelled(np.ascontiguousarray(embeddings[training]), self.labels[training, -1])
        judged = np.ascontiguousarray(embeddings[self.validation])
        probes = fit_linear_probes(train, PROBE_WEIGHT_DECAYS, device)
        return max(self._judge(probe.predict(judged)[:, None]) for probe in probes)

    def _tuned(self, candidate: Candidate, epochs: int, checkpoint: Path, device: "torch.device") -> float:
        from ml.classifiers.predicting import predict
        from ml.encoders import Encoder
        from ml.training.classification import Examples
        from ml.training.finetuning import Watch, train_classifier

        material = self.library[candidate.encoder]
        pixels = material.mapped_pixels()
        recipe = candidate.recipe(self.base, candidate.trial, epochs)
        examples = Examples(inputs=pixels[self.training], labels=self.labels[self.training])
        encoder = Encoder.load(material.encoder)
        trained = train_classifier(recipe, encoder, examples, device, Watch(checkpoint=checkpoint))
        best = predict(trained.classifier, pixels[self.validation], device)[-1].ids
        return self._judge(best)

    def _judge(self, best: NDArray[Any]) -> float:
        return self.score(self.labels[self.validation, -1], best)
