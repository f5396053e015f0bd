"""JSON values as the texts that other formats have in their place: numbers, objects of prices and images, lists."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog.feeds.feed import REPEATED

MAX_EXPONENT = 30  # of numbers that are written out

# Keys of objects, the first that is there counts.
_LINK_KEYS = ("url", "src", "link", "href", "imageUrl", "image_url", "uri", "original", "large")
_AMOUNT_KEYS = ("value", "amount", "price")
_CURRENCY_KEYS = ("currency", "currencyCode", "currency_code", "currencyIsoCode")
_MICROS_KEYS = ("amountMicros", "amount_micros")
_TEXT_KEYS = ("value", "name", "title", "label", "text", "plain", "path", "full_name", "fullName", "id")
_IMAGES = ("image_link", REPEATED)
# Between several values; of others the first counts, as in Merchant Center.
_JOINED = {REPEATED: ",", "color": "/", "material": "/", "google_product_category": "; "}

_WHOLE = re.compile(r"(-?[0-9]+)\.0*")


def number_text(literal: str) -> str:
    """Return a JSON number without an exponent, or a fraction of zeros: `187.0` is `187`, `1.0E5` is `100000`.

    Digits are kept as they are, however many there are. A number that would be very long is kept as it is written.
    """
    if whole := _WHOLE.fullmatch(literal):
        return whole[1]
    if "e" not in literal and "E" not in literal:
        return literal
    try:
        number = Decimal(literal)
    except InvalidOperation:  # an exponent of more digits than there can be
        return literal
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > MAX_EXPONENT:
        return literal
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


DECODER = json.JSONDecoder(parse_float=number_text, parse_int=str, parse_constant=lambda _: None)


def value_text(attribute: str, value: Any) -> str | None:
    """Return a value as text, None for null; one of an unexpected shape as JSON, so that it is seen."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _object_text(attribute, value)
    if isinstance(value, list):
        return _list_text(attribute, value)
    if attribute == "availability":
        return "in_stock" if value else "out_of_stock"
    return json.dumps(value)


def _list_text(attribute: str, values: Sequence[Any]) -> str | None:
    texts = [text for each in values if (text := value_text(attribute, each))]
    separator = _JOINED.get(attribute)
    return None if not texts else texts[0] if separator is None else separator.join(texts)


def further_images(value: Any) -> str | None:
    """Return all links but the first of a list under `image_link`."""
    return value_text(REPEATED, value[1:]) if isinstance(value, list) else None


def _object_text(attribute: str, value: Mapping[str, Any]) -> str | None:
    if attribute == "price" and (price := _price(value)):
        return price
    keys = _LINK_KEYS if attribute in _IMAGES else _TEXT_KEYS
    found = next((text for key in keys if isinstance(text := value.get(key), str) and text), None)
    return found if found is not None else json.dumps(value, ensure_ascii=False)


def _price(value: Mapping[str, Any]) -> str | None:
    """Returns an amount and its currency, `9.99 EUR`, of an object of either."""
    amount = _first(value, _AMOUNT_KEYS)
    if amount is None and (micros := _first(value, _MICROS_KEYS)) is not None:
        try:
            amount = f"{Decimal(micros).scaleb(-6).normalize():f}"
        except InvalidOperation:
            return None
    currency = _first(value, _CURRENCY_KEYS)
    return None if amount is None else f"{amount} {currency}" if currency else amount


def _first(value: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((text for key in keys if isinstance(text := value.get(key), str) and text), None)
