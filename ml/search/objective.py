"""The objective of a search: the validation metric of one rung of one candidate.

Trials run in their own processes, so an objective is small and refers to files, which every process maps.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ml.recipe_types import ClassifierRecipe
from ml.search.metrics import Score
from ml.search.pace import Pace, PaceStopping
from ml.search.space import Candidate

if TYPE_CHECKING:
    import torch

    from ml.classifiers.classifier import Classifier
    from ml.pixels import PixelsLike

MAX_PROBED = 10_000  # labels; more hardly change the order of encoders
PROBE_WEIGHT_DECAYS = (1e-1, 1e-2, 1e-3)


class Objective(Protocol):
    """The function that a search maximizes; it is pickled into every trial's process.

    Optional attributes: `device`; `imports`, the modules that are imported before a trial's process is forked; and the
    method `epoch_seconds`, which predicts the device seconds of an epoch of a candidate by a few training steps.
    """

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path, pace: Pace) -> float:
        """Return the metric of a candidate trained for `epochs`; on rung 0, that of its encoder's probe.

        An interrupted rung resumes from the checkpoint file. A training reports its steps and epochs to `pace`, which
        may stop it; the returned metric is then ignored in favor of the pace's best epoch.

        Raises:
            FloatingPointError: the training diverged.
            OutOfBudget: the pace ended the training in the middle of an epoch.
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
    imports: ClassVar[tuple[str, ...]] = ("torch", "timm", "ml.training.finetuning", "ml.training.epoch_timing")

    def __post_init__(self) -> None:
        for name, positions in (("training", self.training), ("validation", self.validation)):
            if not len(positions):
                raise ValueError(f"the search has no labeled {name} example; ingest a delivery with labels")

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path, pace: Pace) -> float:
        """See `Objective`."""
        device, data = self._device(), self.library[candidate.encoder]
        return self._probed(data, device) if rung == 0 else self._tuned(candidate, checkpoint, pace, device)

    def epoch_seconds(self, candidate: Candidate) -> float:
        """Predict the device seconds of an epoch of a candidate by a few training steps; see `predict_epoch_s`."""
        from ml.encoders.encoder import Encoder
        from ml.training.classification import Examples
        from ml.training.epoch_timing import NUM_STEPS, predict_epoch_s

        device, data = self._device(), self.library[candidate.encoder]
        recipe = candidate.recipe(self.base, candidate.trial, candidate.epochs)
        timed = self.training[: NUM_STEPS * recipe.optimization.batch_size]
        examples = Examples(inputs=data.mapped_pixels()[timed], labels=self.labels[timed])
        return predict_epoch_s(recipe, Encoder.load(data.encoder), examples, len(self.training), device)

    def _device(self) -> "torch.device":
        """The device, with this objective's number of threads."""
        import torch

        torch.set_num_threads(self.num_threads)
        return torch.device(self.device)

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

    def _tuned(self, candidate: Candidate, checkpoint: Path, pace: Pace, device: "torch.device") -> float:
        from ml.classifiers.predicting import predict
        from ml.encoders.encoder import Encoder
        from ml.training.classification import Examples
        from ml.training.finetuning import TrainingCallbacks, train_classifier

        data = self.library[candidate.encoder]
        pixels = data.mapped_pixels()
        recipe = candidate.recipe(self.base, candidate.trial, pace.epochs)
        examples = Examples(inputs=pixels[self.training], labels=self.labels[self.training])

        def evaluate(classifier: "Classifier") -> float:
            return self._score(predict(classifier, pixels[self.validation], device)[-1].ids)

        callbacks = TrainingCallbacks(
            checkpoint=checkpoint, on_step=pace.on_step, stopping=PaceStopping(pace, evaluate)
        )
        trained = train_classifier(recipe, Encoder.load(data.encoder), examples, device, callbacks)
        return math.nan if pace.is_stopped else evaluate(trained.classifier)

    def _score(self, best: NDArray[Any]) -> float:
        return self.score(self.labels[self.validation, -1], best)
