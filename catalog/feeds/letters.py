"""Letters beyond ASCII that languages use, by which the encoding of a text of one byte a character is recognized.

A text that is decoded by a wrong encoding has letters that no single language has together, symbols within words, and
capitals after small letters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

# The letters of each language that are not ASCII, from the most frequent one on.
LETTERS: Mapping[str, str] = MappingProxyType(
    {
        "German": "üäößé",
        "French": "éèàêçâîôûùëïœæü",
        "Spanish": "óáíéñúü¿¡",
        "Portuguese": "ãçáéíóêõâúàôü",
        "Italian": "àèòùéì",
        "Dutch": "ëéïóèüö",
        "Danish": "øåæéö",
        "Swedish": "äöåé",
        "Icelandic": "íáðéöúóþýæ",
        "Polish": "łóżąęśćńź",
        "Czech": "íáéěřůšýžčúťňóď",
        "Slovak": "áíéčšýžľúťôňäóďŕĺ",
        "Hungarian": "áéöóőüíúű",
        "Croatian": "šćčžđ",
        "Romanian": "ăîâşţéö",
        "Albanian": "ëç",
        "Turkish": "ıüşçğöİâî",
        "Lithuanian": "ėšįųžūąčęõ",
        "Latvian": "āīēšūņļģķčžõ",
        "Estonian": "äõöüšž",
        "Russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
        "Ukrainian": "оанитівесркмлудпязьбгйчхцжюєїшфщґ",
        "Bulgarian": "аоиентрсвлкдпмъзугбчщцйяжхшюфь",
        "Serbian": "аоиенртсјувкдмлпзгбчћцјжшњхљђфџ",
        "Greek": "αοιετσνηυρπκμλςωδγχθφβξζψάέόίήύώϊϋ",
        "Hebrew": "יולהרמאבתנשםדחעקפסכגטןזצץךף",
        "Arabic": "المينرتوبةعدسفهكقحجشصطخضغذثئزظءىأإآؤ",
    }
)
SYMBOLS = frozenset("°®©™€£§²³½¼¾±×·•–—…„“”‚‘’«»‹›µØøŒœ\xa0´")  # noqa: RUF001
_SYMBOL_LOG, _FOREIGN_LOG, _BROKEN_LOG = math.log(0.004), math.log(0.0004), math.log(0.00002)
_CAPITAL_LOG, _ALONE_LOG = math.log(0.25), math.log(0.01)
_END_OF_LATIN = "\u0250"


def _log_shares(letters: str) -> dict[str, float]:
    """Returns the logarithms of the letters' shares, which fall as the inverse of their rank, flattened."""
    weights = {letter: 1 / (rank + 3) for rank, letter in enumerate(letters)}
    total = sum(weights.values())
    return {letter: math.log(weight / total) for letter, weight in weights.items()}


_SHARES = {language: _log_shares(letters) for language, letters in LETTERS.items()}
_SCRIPTS = ((0x370, 0x400), (0x400, 0x530), (0x590, 0x700))


def score(text: str) -> tuple[float, str]:
    """Return the mean logarithm of the likelihood of a text's characters beyond ASCII, and the likeliest language.

    Args:
        text: Text that was decoded by the encoding to be judged.
    """
    found = Counter(_characters(text))
    if not found:
        return 0.0, ""
    totals = {
        language: sum(number * _log(each, shares) for each, number in found.items())
        for language, shares in _SHARES.items()
    }
    best = max(totals, key=lambda language: totals[language])
    return totals[best] / found.total(), best


def _characters(text: str) -> Iterator[tuple[str, str, str]]:
    """Yields each character beyond ASCII with those beside it; of ASCII ones only their kind, as `a`, `A` or space."""
    padded = f" {text} "
    for position, character in enumerate(text, 1):
        if character >= "\x80":
            yield character, _kind(padded[position - 1]), _kind(padded[position + 1])


def _kind(character: str) -> str:
    if not character.isalpha():
        return " "
    if character.isascii():
        return "A" if character.isupper() else "a"
    return "\u00c4" if character.isupper() else "\u00e4"


def _log(found: tuple[str, str, str], shares: Mapping[str, float]) -> float:
    """Returns the logarithm of the likelihood of a character between two others in a language."""
    character, before, after = found
    small = character.lower() if len(character.lower()) == 1 else character
    share = shares.get(character, shares.get(small))
    is_inside = before.isalpha() and after.isalpha()
    if character in SYMBOLS and not (share is not None and is_inside):
        symbol = _FOREIGN_LOG if is_inside else _SYMBOL_LOG
        return symbol if share is None else max(symbol, share)
    if share is None:
        is_broken = character < "\xa0" or character == "\ufffd" or (is_inside and not character.isalpha())
        return _BROKEN_LOG if is_broken else _FOREIGN_LOG
    if character != small:
        return _BROKEN_LOG if before.islower() else share + (0.0 if before.isupper() else _CAPITAL_LOG)
    if before.isupper() and after.isupper():
        return _FOREIGN_LOG
    if not is_inside and not before.isalpha() and not after.isalpha() and character < _END_OF_LATIN:
        return share + _ALONE_LOG
    return _BROKEN_LOG if _mixes_scripts(character, before, after) else share


def _mixes_scripts(character: str, before: str, after: str) -> bool:
    """Returns whether a letter of another script stands between two Latin ones."""
    is_other = any(first <= ord(character) < last for first, last in _SCRIPTS)
    return is_other and before.isascii() and before.isalpha() and after.isascii() and after.isalpha()
