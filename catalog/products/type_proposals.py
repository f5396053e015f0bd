"""Proposals for a partner's product types: the category whose path is nearest by text, for a person to confirm.

Similarity is that of character n-grams, weighted by how rare they are in the taxonomy (TF-IDF), so that plurals,
spellings and word order matter little. A type's last part counts most, as it names the product.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.products.retail_words import GERMAN_WORDS
from catalog.taxonomy.parsing import SEPARATOR
from catalog.taxonomy.tree import Taxonomy

MIN_SCORE = 0.4  # below, the nearest path is a chance hit and nothing is proposed
NAME_WEIGHT, PATH_WEIGHT = 0.7, 0.3
LEAF_BONUS = 0.02  # between two that are equally near
MIN_END = 4  # letters of a word that may end a compound
_NUM_LANGUAGES = 10  # whose names of one category may be the nearest ones
BLOCK_TYPES = 500  # that are compared with the taxonomy at once

_PARTS = re.compile(r"\s*(?:>|/|\||»)\s*")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, kw_only=True)
class TypeProposal:
    """The nearest category of a product type and its similarity, 0 to 1; no category where all are far."""

    product_type: str
    category: str | None  # its path
    score: float


def propose_categories(product_types: Sequence[str], taxonomy: Taxonomy) -> list[TypeProposal]:
    """Return a proposal for each product type, in their order.

    Args:
        product_types: As the partner writes them, such as `Damen > Schuhe > Stiefel`.
        taxonomy: The categories; the names of its other languages count, too.
    """
    return [each[0] for each in propose_candidates(product_types, taxonomy, 1)]


def propose_candidates(texts: Sequence[str], taxonomy: Taxonomy, num_candidates: int) -> list[list[TypeProposal]]:
    """Return the nearest categories of each text, the nearest first; one proposal without a category where all are far.

    Args:
        texts: Product types, or whatever a partner writes as a category.
        num_candidates: At most so many a text.
    """
    keys, categories = _names(taxonomy)
    vectorizer = _fitted(keys)
    paths, names = vectorizer.transform(keys), vectorizer.transform([key.rpartition(SEPARATOR)[2] for key in keys])
    bonus = np.array([LEAF_BONUS if taxonomy.is_leaf(each) else 0.0 for each in categories])
    proposals: list[list[TypeProposal]] = []
    for start in range(0, len(texts), BLOCK_TYPES):
        block = texts[start : start + BLOCK_TYPES]
        translated = [_translated(each) for each in block]
        by_name = vectorizer.transform([parts[-1] for parts in translated]) @ names.T
        by_path = vectorizer.transform([" ".join(parts) for parts in translated]) @ paths.T
        scores = np.asarray((NAME_WEIGHT * by_name + PATH_WEIGHT * by_path).todense()) + bonus
        for text, row in zip(block, scores, strict=True):
            best: dict[int, float] = {}  # a category has a name in each language
            for position in np.argsort(-row, kind="stable")[: _NUM_LANGUAGES * num_candidates]:
                best.setdefault(categories[position], float(row[position]))
            found = [_proposal(text, taxonomy, *each) for each in list(best.items())[:num_candidates]]
            proposals.append([each for each in found if each.category is not None] or found[:1])
    return proposals


def _proposal(product_type: str, taxonomy: Taxonomy, category_id: int, score: float) -> TypeProposal:
    exact = taxonomy.resolve(product_type)
    if exact is not None:
        return TypeProposal(product_type=product_type, category=taxonomy.path(exact), score=1.0)
    is_near = score >= MIN_SCORE
    path = taxonomy.path(category_id) if is_near else None
    return TypeProposal(product_type=product_type, category=path, score=round(min(score, 0.99), 2))


def _names(taxonomy: Taxonomy) -> tuple[list[str], list[int]]:
    """Returns the path of every category in every language, and the categories' ids."""
    named = taxonomy.names()
    return [_spaced(key) for key, _ in named], [category_id for _, category_id in named]


def _fitted(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer  # it takes a second to load

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
    return vectorizer.fit(texts)


def _translated(product_type: str) -> list[str]:
    """Returns the parts of a product type, with the German words among them in English."""
    parts = [part for part in _PARTS.split(product_type.lower()) if part] or [""]
    return [" ".join([_english(word) for word in _WORD.findall(part)]) for part in parts]


def _english(word: str) -> str:
    """Returns a German word, or the longest that a compound ends with, in English; another word as it is."""
    if word in GERMAN_WORDS:
        return GERMAN_WORDS[word]
    for start in range(1, len(word) - MIN_END + 1):
        if word[start:] in GERMAN_WORDS:
            return GERMAN_WORDS[word[start:]]
    return word


def _spaced(key: str) -> str:
    return key.replace("&", " ").replace(",", " ")
