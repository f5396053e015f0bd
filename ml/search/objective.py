"""The objective of a search: the validation metric of one rung of one candidate.

Trials run in their own processes, so an objective is small and refers to files, which every process maps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ml.recipe_types import ClassifierRecipe
from ml.search.metrics import Score
from ml.search.space import Candidate

if TYPE_CHECKING:
    import torch

    from ml.pixels import PixelsLike

MAX_PROBED = 10_000  # labels; more hardly change the order of encoders
PROBE_WEIGHT_DECAYS = (1e-1, 1e-2, 1e-3)


class Objective(Protocol):
    """The function that a search maximizes; it is pickled into every trial's process.

    Optional attributes: `device`, and `imports`, the modules that are imported before a trial's process is forked.
    """

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path) -> float:
        """Return the metric of a candidate trained for `epochs`; on rung 0, that of its encoder's probe.

        An interrupted rung resumes from the checkpoint file.

        Raises:
            FloatingPointError: the training diverged.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SearchData:
    """The inputs of the trials of one encoder, for the same images in the same order.

    `encoder` is the folder of the saved encoder, `embeddings` an .npy file (num, dim); `pixels` are (num, 3, h, w), or
    an .npy file of them.
    """

    encoder: Path
    embeddings: Path
    pixels: "Path | PixelsLike"

    def mapped_pixels(self) -> "PixelsLike":
        """Return the pixels, memory-mapped if they are a file."""
        if isinstance(self.pixels, Path):
            mapped: NDArray[np.uint8] = np.load(self.pixels, mmap_mode="r")
            return mapped
        return self.pixels


@dataclass(frozen=True, kw_only=True)
class Finetuning:
    """Fine-tunes classifiers over the encoders of a library and evaluates their leaves on validation examples.

    `labels` are taxonomy ids (num, num_levels) of all images; `training` and `validation` are positions in them. Errors
    of a trial are not caught here, but by the process that runs it.
    """

    base: ClassifierRecipe
    library: Mapping[str, SearchData]
    labels: NDArray[np.int64]
    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    score: Score
    device: str = "cpu"
    num_threads: int = 1
    imports: ClassVar[tuple[str, ...]] = ("torch", "timm", "ml.training.finetuning")

    def __post_init__(self) -> None:
        for name, positions in (("training", self.training), ("validation", self.validation)):
            if not len(positions):
                raise ValueError(f"the search has no labeled {name} example; ingest a delivery with labels")

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path) -> float:
        """See `Objective`."""
        import torch

        torch.set_num_threads(self.num_threads)
        device = torch.device(self.device)
        data = self.library[candidate.encoder]
        return self._probed(data, device) if rung == 0 else self._tuned(candidate, epochs, checkpoint, device)

    def _probed(self, data: SearchData, device: "torch.device") -> float:
        """The best metric over weight decays of logistic regressions on the encoder's cached embeddings."""
        from ml.embeddings.probes import fit_linear_probes
        from ml.vectors import LabeledEmbeddings

        embeddings = np.load(data.embeddings, mmap_mode="r")
        rng = np.random.default_rng(self.base.seed)
        training = self.training
        if len(training) > MAX_PROBED:
            training = np.sort(rng.choice(training, MAX_PROBED, replace=False))
        train = LabeledEmbeddings(np.ascontiguousarray(embeddings[training]), self.labels[training, -1])
        validation = np.ascontiguousarray(embeddings[self.validation])
        probes = fit_linear_probes(train, PROBE_WEIGHT_DECAYS, device)
        return max(self._score(probe.predict(validation)[:, None]) for probe in probes)

    def _tuned(self, candidate: Candidate, epochs: int, checkpoint: Path, device: "torch.device") -> float:
        from ml.classifiers.predicting import predict
        from ml.encoders.encoder import Encoder
        from ml.training.classification import Examples
        from ml.training.finetuning import TrainingCallbacks, train_classifier

        data = self.library[candidate.encoder]
        pixels = data.mapped_pixels()
        recipe = candidate.recipe(self.base, candidate.trial, epochs)
        examples = Examples(inputs=pixels[self.training], labels=self.labels[self.training])
        encoder = Encoder.load(data.encoder)
        trained = train_classifier(recipe, encoder, examples, device, TrainingCallbacks(checkpoint=checkpoint))
        best = predict(trained.classifier, pixels[self.validation], device)[-1].ids
        return self._score(best)

    def _score(self, best: NDArray[Any]) -> float:
        return self.score(self.labels[self.validation, -1], best)
