"""Limits of XML documents, none of which any feed comes near, so that no document fills memory or takes time."""

from __future__ import annotations

from catalog.feeds.feed import FeedError

MAX_TAG_BYTES = 4_000_000
MAX_DEPTH = 100  # of elements within each other; feeds have four
MAX_NAMES = 10_000  # different names of elements, their attributes and namespaces
MAX_NAME_CHARACTERS = 1_000_000  # of all of them together
TAG_BYTES = 32  # that each tag weighs besides its text, as it takes memory


class XmlLimits:
    """Counts what a document has of names and depth, and refuses it beyond the limits.

    Args:
        name: The feed's name in messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._names: set[str | bytes] = set()
        self._num_name_characters = 0

    def meet(self, name: str | bytes) -> None:
        """Count a name of an element or attribute, or a prefix; raise `FeedError` where there are too many."""
        if name in self._names:
            return
        self._names.add(name)
        self._num_name_characters += len(name)
        if len(self._names) > MAX_NAMES or self._num_name_characters > MAX_NAME_CHARACTERS:
            raise FeedError(
                f"{self._name}: more than {MAX_NAMES:,} different names of elements, or very long ones; write what "
                "differs between products as text"
            )

    def refuse_depth(self, depth: int) -> None:
        """Raise `FeedError` for elements that are nested too deeply."""
        if depth > MAX_DEPTH:
            raise FeedError(
                f"{self._name}: elements are nested more than {MAX_DEPTH} deep; deliver a flat list of products"
            )

    def refuse_tag(self, num_bytes: int) -> None:
        """Raise `FeedError` for a tag or comment that has no end within this number of bytes."""
        if num_bytes > MAX_TAG_BYTES:
            raise FeedError(f"{self._name}: a tag or comment longer than {MAX_TAG_BYTES:,} bytes; remove it")

    def cut_off(self, where: str, line: int) -> FeedError:
        """Return the refusal of a document that ends within something."""
        return FeedError(
            f"{self._name}: broken XML (it ends within {where}, line {line}: it was cut off); no row is parsed; "
            "deliver it again, whole and well-formed"
        )
