"""The choice of a shape for a feed: of those that fit its elements, the one that finds most in its first products."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from catalog.feeds.feed import ReadOptions
from catalog.feeds.shape import Shape
from catalog.feeds.xml_elements import XmlProduct
from catalog.feeds.xml_items import XmlItems
from catalog.feeds.xml_values import ShapeReader

NUM_PRODUCTS = 20


class ShapeChoice:
    """Gives the products of a document their reader, and notes the shape.

    Args:
        items: The document.
        shapes: All shapes, the user's own first.
        options: The partner's options, with its names of elements.
    """

    def __init__(self, items: XmlItems, shapes: Sequence[Shape], options: ReadOptions) -> None:
        self._items, self._options = items, options
        self._shapes = {shape.name: shape for shape in shapes}
        self._readers: dict[tuple[str, ...], ShapeReader] = {}

    def of(self, products: Sequence[XmlProduct]) -> ShapeReader:
        """Return the reader of products that follow one another; products of the same element have the same."""
        names = products[0].raw.shapes
        if names not in self._readers:
            self._readers[names] = self._chosen(names, products)
        return self._readers[names]

    def _chosen(self, names: Sequence[str], products: Sequence[XmlProduct]) -> ShapeReader:
        recorded = self._options.detected("shape")
        if recorded in names:
            return self._reader(str(recorded))
        elements = list(islice((each.element for each in products if each.element is not None), NUM_PRODUCTS))
        scores = dict.fromkeys(names, (0, 0))
        for name in names if len(names) > 1 else ():
            reader = self._reader(name)
            rows = [reader.values(element) for element in elements]
            scores[name] = (
                sum(row[0] is not None for row in rows),
                sum(value is not None for row in rows for value in row),
            )
        best = max(names, key=lambda name: scores[name])  # the first of those that find as much
        self._options.note("shape", best)
        return self._reader(best)

    def _reader(self, name: str) -> ShapeReader:
        return ShapeReader(self._shapes[name], self._options.columns, self._items.categories, self._items.limits)
