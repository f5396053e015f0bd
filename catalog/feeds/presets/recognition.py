"""Recognition of presets by the names in a header; a partner's settings decide before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import ATTRIBUTES, FeedBatch, FeedError, ReadOptions
from catalog.feeds.presets.magento import MAGENTO
from catalog.feeds.presets.named import MERCHANT_API, META, OPENAI
from catalog.feeds.presets.preset import Preset, Product, RefusedRows, Row, plain_name
from catalog.feeds.presets.shopify import SHOPIFY, SHOPIFY_JSON
from catalog.feeds.presets.woocommerce import WOOCOMMERCE

MERCHANT = "merchant"  # the name of no preset: a feed has Merchant Center's names, whatever its header looks like

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {each.name: each for each in (SHOPIFY, SHOPIFY_JSON, WOOCOMMERCE, MAGENTO, MERCHANT_API, OPENAI, META)}
)
FINDING = "preset"  # by which a preset that was recognized is recorded
PRESET_NAMES = (*PRESETS, MERCHANT)


def preset_of(names: Iterable[str], options: ReadOptions, name: str) -> Preset | None:
    """Return the preset of a feed: the partner's, or the one whose signature the header has; None for a plain feed.

    A partner's own column names decide for no preset.

    Args:
        names: The header, or the keys of the first JSON object.
        options: What the partner's settings say.
        name: The feed's name in messages.

    Raises:
        FeedError: The header is not of the partner's preset.
    """
    found = frozenset(map(plain_name, names))
    if options.preset:
        chosen = PRESETS.get(options.preset)
        if chosen is not None and not chosen.fits(found):
            lacking = min((sorted(each - found) for each in chosen.signatures), key=len)
            raise FeedError(
                f"{name}: no column {lacking[0]!r}, which {chosen.title} has; deliver that, or correct preset = "
                f"{options.preset!r} in partners.toml"
            )
        return chosen
    if options.columns:
        return None
    recognized = next((preset.name for preset in PRESETS.values() if preset.fits(found)), None)
    return PRESETS.get(options.note(FINDING, recognized)) if recognized is not None else None


def preset_columns(preset: Preset | None, headers: Sequence[str], options: ReadOptions) -> Mapping[str, str]:
    """Return the header's own names -> attributes: the partner's, or those of the preset that the header has."""
    if preset is None:
        return options.columns
    own = {header: preset.columns[plain_name(header)] for header in headers if plain_name(header) in preset.columns}
    attributes = {plain_name(header): header for header in headers if plain_name(header) in ATTRIBUTES}
    camel = {header: attribute for attribute, header in attributes.items() if attribute not in own.values()}
    return {**own, **{header: each for header, each in camel.items() if header not in own}, **options.columns}


def merged_batches(
    preset: Preset, rows: Iterator[Row], builder: BatchBuilder, options: ReadOptions
) -> Iterator[FeedBatch]:
    """Yield the batches of an export of which several rows may make a product; `row` counts the products.

    Exports have prices without a currency, so that they are only read where the partner's settings name one.
    """
    if preset.merged is None:
        raise ValueError(f"preset {preset.name!r} has a product per row; read it by its columns")
    if not options.currency:
        options.note("price", "left out, as the export has no currency; set currency = 'EUR' below the partner")
    for found in preset.merged(rows):
        if isinstance(found, RefusedRows):
            builder.reject(found.raw.encode("utf-8", "surrogateescape"), found.reason, found.detail)
        else:
            builder.add(_values(found, options.currency))
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


def _values(product: Product, currency: str) -> list[bytes | None]:
    """Returns the bytes of the attributes, in the order of `ATTRIBUTES`; wrong bytes come out as they came in."""
    texts = (product.get(name) if name != "price" or currency else None for name in ATTRIBUTES)
    return [text.encode("utf-8", "surrogateescape") if text else None for text in texts]
