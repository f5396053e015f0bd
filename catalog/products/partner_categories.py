"""The categories of a partner's own texts, as a person mapped them in the files of its settings."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.products.partners import PartnerSettings
from catalog.taxonomy.moves import Moves
from catalog.taxonomy.tree import Taxonomy, canonical_path


def mapped_categories(partner: PartnerSettings, taxonomy: Taxonomy, moves: Moves | None = None) -> dict[str, int]:
    """Return the category of each of the partner's product types, these in canonical form.

    A category of a former version of the taxonomy is replaced by the one that `moves` give for it.

    Raises:
        ValueError: The taxonomy lacks a category; the message names the partner's file and the value.
    """
    return _categories(partner.product_types, partner.product_types_file, taxonomy, moves)


def confirmed_categories(partner: PartnerSettings, taxonomy: Taxonomy, moves: Moves | None = None) -> dict[str, int]:
    """Return the category of each of the partner's own texts of google_product_category, as `mapped_categories`."""
    return _categories(partner.categories, partner.categories_file, taxonomy, moves)


def _categories(mapping: Mapping[str, str], file: str, taxonomy: Taxonomy, moves: Moves | None) -> dict[str, int]:
    categories = {}
    for own, text in mapping.items():
        category_id = taxonomy.resolve(text)
        move = moves.of_label(text) if moves is not None else None
        if move is not None and move.kind != "split":
            category_id = move.new_id
        if category_id is None:
            nearest = taxonomy.nearest(move.old_path if move else text)
            if move is not None and move.kind == "changed":
                raise ValueError(
                    f"{file}: {own!r} is mapped to {text!r}, which was "
                    f"{move.old_path!r} in version {move.version}; {move.reason}, or correct that row"
                )
            guess = f"; it was {move.old_path!r} in version {move.version}" if move else ""
            guess += f"; the nearest known is {nearest!r}" if nearest else ""
            raise ValueError(
                f"{file}: {own!r} is mapped to {text!r}, which is not in the taxonomy{guess}; correct that row"
            )
        categories[canonical_path(own)] = category_id
    return categories
