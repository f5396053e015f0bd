"""Recognition of presets by the names in a header; a partner's settings decide before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import ATTRIBUTES, FeedBatch, FeedError, ReadOptions, attribute_columns
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
    recognized = _recognized(found, options)
    if recognized is not None or not options.preset:
        return None if recognized is None else PRESETS.get(options.note(FINDING, recognized.name))
    chosen = PRESETS.get(options.preset)
    if chosen is not None:
        lacking = min((sorted(each - found) for each in chosen.signatures), key=len)
        raise FeedError(
            f"{name}: no column {lacking[0]!r}, which {chosen.title} has; deliver that, or correct preset = "
            f"{options.preset!r} in partners.toml"
        )
    return None


def num_known_names(headers: Sequence[str], options: ReadOptions) -> int:
    """Return how many names of a header are known; 0 for a record that is no header, as it has no column of ids."""
    preset = _recognized(frozenset(map(plain_name, headers)), options)
    if preset is not None and preset.merged is not None:
        return len(headers)
    try:
        return len(attribute_columns(headers, "", with_preset(preset, headers, options)))
    except FeedError:
        return 0


def _recognized(names: frozenset[str], options: ReadOptions) -> Preset | None:
    """Returns the preset that fits names in the form of `plain_name`, if the settings leave it open or name it."""
    if options.preset:
        chosen = PRESETS.get(options.preset)
        return chosen if chosen is not None and chosen.fits(names) else None
    if options.columns:
        return None
    return next((preset for preset in PRESETS.values() if preset.fits(names)), None)


def with_preset(preset: Preset | None, headers: Sequence[str], options: ReadOptions) -> ReadOptions:
    """Return the options with the header's own names -> attributes: those of the preset, and the partner's."""
    if preset is None:
        return options
    own = {header: preset.columns[plain_name(header)] for header in headers if plain_name(header) in preset.columns}
    attributes = {plain_name(header): header for header in headers if plain_name(header) in ATTRIBUTES}
    camel = {header: attribute for attribute, header in attributes.items() if attribute not in own.values()}
    others = {header: attribute for header, attribute in camel.items() if header not in own}
    return replace(options, columns={**own, **others, **options.columns})


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
