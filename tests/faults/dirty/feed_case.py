"""A dirty feed: a file as some kind of source writes it, and the products, rejections or refusal that are right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class FeedCase:
    """A file that is dropped into a partner's inbox.

    Attributes:
        name: Names the case; unique in the table.
        source: The kind of source that writes such files, in words.
        file: The file's name, whose suffix may be a wrong one.
        content: The bytes, or a function that makes them.
        products: Item id -> the columns of the product that are compared; the set of ids is compared as a whole.
        rejected: Reason -> number of rejected rows; compared as a whole.
        refusal: A regular expression that the message of a feed refused whole matches; then there are no products.
        settings: TOML below the partner's table in `partners.toml`.
        files: Further files of the reference folder, by name.
    """

    name: str
    source: str
    file: str
    content: bytes | Callable[[], bytes]
    products: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    refusal: str = ""
    settings: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return self.content if isinstance(self.content, bytes) else self.content()
