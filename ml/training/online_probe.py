"""Online probe: scores the encoder during pretraining and keeps the weights of the best epochs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.torch import load_file, save

from ml.artifacts import write_flushed
from ml.encoders.encoder import Encoder

INDEX = "best.json"
NUM_PROBES = 10  # evaluations per run


@dataclass(kw_only=True)
class OnlineProbe:
    """Evaluates the encoder about ten times per run and keeps the weights of the best `keep` epochs in a folder.

    Args:
        score: Returns the score of an encoder, higher is better, such as the kNN accuracy on validation images.
        folder: Folder of the weights and their index.
        keep: Number of epochs whose weights are kept.

    Attributes:
        fingerprint: Identifies the run; set by `resume`.
        scores: The score of each evaluated epoch.
    """

    score: Callable[[Encoder], float]
    folder: Path
    keep: int = 3
    fingerprint: str = field(default="", init=False)
    scores: dict[int, float] = field(default_factory=dict, init=False)

    def resume(self, fingerprint: str, num_steps: int) -> None:
        """Loads the scores of an interrupted attempt of this run; clears the folder for any other run.

        Args:
            fingerprint: Identifies the run by its recipe and data.
            num_steps: Number of steps that the resumed run has finished; 0 for a new run.
        """
        self.fingerprint = fingerprint
        index = self.folder / INDEX
        if index.exists():
            saved = json.loads(index.read_text())
            if num_steps and saved["fingerprint"] == fingerprint:
                self.scores = {int(epoch): score for epoch, score in saved["scores"].items()}
                return
        self.clear()

    def evaluate(self, encoder: Encoder, epoch: int, num_epochs: int) -> float | None:
        """Scores the encoder and saves it if it is among the best; returns None in epochs without an evaluation."""
        if epoch % max(1, num_epochs // NUM_PROBES) and epoch < num_epochs:
            return None
        was_training = encoder.training
        score = self.score(encoder.eval())
        encoder.train(was_training)
        self.scores[epoch] = score
        if epoch in self.best_epochs():
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / ".part"
            write_flushed(part, save({name: each.contiguous() for name, each in encoder.backbone.state_dict().items()}))
            part.replace(self._path(epoch))
            self._write_index()
            for path in self.folder.glob("epoch-*.safetensors"):
                if path not in {self._path(each) for each in self.best_epochs()}:
                    path.unlink()
        return score

    def best_epochs(self) -> list[int]:
        """Returns the kept epochs, the best first; of equal scores the later epoch."""
        return sorted(self.scores, key=lambda epoch: (-self.scores[epoch], -epoch))[: self.keep]

    def load_best(self, encoder: Encoder) -> int:
        """Loads the weights of the best epoch into the encoder and returns the epoch."""
        [best, *_] = self.best_epochs()
        encoder.backbone.load_state_dict(load_file(self._path(best)))
        return best

    def clear(self) -> None:
        """Deletes all kept weights, their index and the scores."""
        for path in (*self.folder.glob("epoch-*.safetensors"), self.folder / INDEX):
            path.unlink(missing_ok=True)
        self.scores = {}

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.safetensors"

    def _write_index(self) -> None:
        part = self.folder / f".{INDEX}"
        write_flushed(part, json.dumps({"fingerprint": self.fingerprint, "scores": self.scores}).encode())
        part.replace(self.folder / INDEX)
