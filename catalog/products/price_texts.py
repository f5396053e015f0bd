"""Texts of prices as shops show them, `€ 9,99` or `1 299,00 zł`, as an amount and a code: `9,99 EUR`."""

from __future__ import annotations

import re

from catalog.products.currencies import CURRENCIES
from catalog.products.entities import unescape

# The first code counts unless the partner's currency is another of them; none counts where a sign has no first one.
_SIGNS: dict[str, tuple[str, ...]] = {
    "€": ("EUR",), "euro": ("EUR",), "euros": ("EUR",),
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "ARS", "CLP", "COP", "TWD"),
    "us$": ("USD",), "ca$": ("CAD",), "c$": ("CAD",), "a$": ("AUD",), "au$": ("AUD",), "nz$": ("NZD",), "s$": ("SGD",),
    "hk$": ("HKD",), "mx$": ("MXN",), "nt$": ("TWD",), "r$": ("BRL",),
    "£": ("GBP", "EGP"), "¥": ("JPY", "CNY"), "￥": ("JPY", "CNY"), "円": ("JPY",), "元": ("CNY",),
    "zł": ("PLN",), "zl": ("PLN",), "kč": ("CZK",), "kc": ("CZK",), "ft": ("HUF",), "lei": ("RON",), "leu": ("RON",),
    "лв": ("BGN",), "лв.": ("BGN",), "₽": ("RUB",), "руб": ("RUB",), "руб.": ("RUB",),  # noqa: RUF001
    "₴": ("UAH",), "грн": ("UAH",),
    "₺": ("TRY",), "tl": ("TRY",), "₹": ("INR",), "₩": ("KRW",), "원": ("KRW",), "₪": ("ILS",), "฿": ("THB",),
    "₫": ("VND",), "đ": ("VND",), "₱": ("PHP",), "₦": ("NGN",), "₸": ("KZT",), "₡": ("CRC",), "fr.": ("CHF",),
    "sfr.": ("CHF",), "sfr": ("CHF",), "kn": ("HRK",), "din": ("RSD",), "дин": ("RSD",),
    "kr": ("", "SEK", "NOK", "DKK", "ISK"), "kr.": ("", "SEK", "NOK", "DKK", "ISK"),
    "rs": ("", "INR", "PKR", "LKR", "NPR", "MUR"), "rs.": ("", "INR", "PKR", "LKR", "NPR", "MUR"),
}  # fmt: skip

_MAX_CHARACTERS = 60
_SPACE = r"[\s\u00a0\u202f\u2009]"
_AMOUNT = rf"(?P<amount>[0-9](?:[0-9.,'\u2019]|{_SPACE}(?=[0-9]))*)(?P<dash>[.,]?[-\u2013\u2014]{{1,2}})?"
_WORD = r"[^\d\s.,'\u2019\u00a0\u202f\u2009-][^\d\s,\u00a0\u202f\u2009-]{0,5}"
_PRICE = re.compile(rf"(?P<before>{_WORD})?{_SPACE}*{_AMOUNT}{_SPACE}*(?P<after>{_WORD})?")
_GAP = re.compile(_SPACE)


def plain_price(text: str, currency: str) -> str:
    """Return a price as an amount and a code; the text itself where it is of no form that is known.

    Args:
        text: As a shop shows it; entities, the dash of whole amounts (`12,-`) and the sign of a currency are read.
        currency: The partner's, for prices without one and for signs of several; empty for none.
    """
    matched = _PRICE.fullmatch(unescape(text[:_MAX_CHARACTERS])) if len(text) <= _MAX_CHARACTERS else None
    if matched is None:
        return text
    codes = [_codes(word, currency) for word in (matched["before"], matched["after"]) if word] or [(currency,)]
    # With a sign and a code, as in `$ 9.99 CAD`, the code is one of those that the sign may mean.
    named = [each for each in codes[-1] if each in codes[0]] if len(codes[-1]) == 1 else codes[0]
    code = next((each for each in named if each in codes[-1]), "")
    amount = matched["amount"].rstrip(".,") if matched["dash"] else matched["amount"]
    return f"{_GAP.sub(' ', amount)} {code}" if code and amount[-1].isdigit() else text


def _codes(word: str, currency: str) -> tuple[str, ...]:
    """Returns the currencies that a word means, the likeliest first; an empty one where there is none."""
    if word.upper() in CURRENCIES:
        return (word.upper(),)
    codes = _SIGNS.get(word.casefold(), ("",))
    return (currency, *codes) if currency in codes and currency else codes
