"""Similar products of a product: the index of the best encoder, loaded at first use and again when it changes."""

import threading
from typing import Any

from resources.store import Store

MAX_INDEX_BYTES = 512 << 20  # a larger one stays on disk, and pages do without it


class Neighbors:
    """Searches the similarity index of a store; one object serves all threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded: tuple[tuple[str, float], Any] | None = None

    def of(self, product_id: str, k: int = 12) -> list[dict[str, Any]]:
        """Returns the most similar products, best first; none where there is no index, or the product is not in it."""
        from resources.artifacts.similar_products import UnknownProductError

        with self._lock:
            search = self._search()
            if search is None:
                return []
            try:
                found: list[dict[str, Any]] = search.similar(product_id, k).to_dicts()
            except (UnknownProductError, ValueError):  # it came after the index, or the index has few products
                return []
        return [each for each in found if each["shard"]]

    def _search(self) -> Any:
        from resources.artifacts.similar_products import SimilarProducts
        from shelfsight.cli.similar import best_indexed_encoder

        try:
            encoder = best_indexed_encoder(self._store)
        except FileNotFoundError:
            return None
        record = self._store.path / "similarity_index" / encoder / "index.json"
        state = (encoder, record.stat().st_mtime)
        if self._loaded is None or self._loaded[0] != state:
            facts = self._store.read_json("similarity_index", encoder, "index.json") or {}
            if int(facts.get("bytes", 0)) > MAX_INDEX_BYTES:
                return None
            try:
                self._loaded = (state, SimilarProducts(self._store, encoder))
            except (ValueError, FileNotFoundError):  # it was made of other embeddings: it is being made anew
                return None
        return self._loaded[1]
