"""The best: of the encoders that a pretraining passes through, those that a probe on the way liked most."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.torch import load_file, save

from ml.artefacts import write_flushed
from ml.encoders import Encoder

INDEX = "best.json"
NUM_PROBES = 10  # over a run


@dataclass(kw_only=True)
class OnlineProbe:
    """Scores the encoder ten times over a run and keeps the weights of the best `keep` of them in a folder.

    `score` is the better the higher, such as the accuracy of nearest neighbours on validation pictures. A resumed run
    goes on with what the folder holds of the same run, which `fingerprint` names.
    """

    score: Callable[[Encoder], float]
    folder: Path
    keep: int = 3
    fingerprint: str = field(default="", init=False)
    scores: dict[int, float] = field(default_factory=dict, init=False)  # by epoch

    def begin(self, fingerprint: str, num_steps: int) -> None:
        """Takes over what an earlier attempt of this run has kept; of other runs, or before a first step, nothing."""
        self.fingerprint = fingerprint
        index = self.folder / INDEX
        if index.exists():
            held = json.loads(index.read_text())
            if num_steps and held["fingerprint"] == fingerprint:
                self.scores = {int(epoch): score for epoch, score in held["scores"].items()}
                return
        self.remove()

    def look(self, encoder: Encoder, epoch: int, num_epochs: int) -> float | None:
        """The encoder's score after an epoch whose turn it is; kept if it is among the best."""
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
        """The epochs kept, the best first; of equal ones the later."""
        return sorted(self.scores, key=lambda epoch: (-self.scores[epoch], -epoch))[: self.keep]

    def take_best(self, encoder: Encoder) -> int:
        """Gives the encoder the weights of the best epoch, which is returned."""
        [best, *_] = self.best_epochs()
        encoder.backbone.load_state_dict(load_file(self._path(best)))
        return best

    def remove(self) -> None:
        """Removes what is kept."""
        for path in (*self.folder.glob("epoch-*.safetensors"), self.folder / INDEX):
            path.unlink(missing_ok=True)
        self.scores = {}

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.safetensors"

    def _write_index(self) -> None:
        part = self.folder / f".{INDEX}"
        write_flushed(part, json.dumps({"fingerprint": self.fingerprint, "scores": self.scores}).encode())
        part.replace(self.folder / INDEX)
