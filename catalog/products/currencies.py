"""Currency codes of prices, and the decimals that each currency has."""

from __future__ import annotations

_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC
CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR
ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF
XPF YER ZAR ZMW ZWG
"""
_WITHDRAWN = "ANG BGN CUC HRK SLL ZWL"  # since 2020; feeds still carry them

# ISO 4217 without funds, metals and codes for testing.
CURRENCIES = frozenset(_CODES.split()) | frozenset(_WITHDRAWN.split())

# Decimals of the currencies that do not have two: ISO 4217:2015, table A.1 ("minor unit"), as maintained by SIX
# (List One, www.six-group.com). Unicode's CLDR, and so Babel, differs: it lists the digits that people write, and the
# dinar of Iraq without any.
_NONE, _THREE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF", "BHD IQD JOD KWD LYD OMR TND"
NO_DECIMALS, THREE_DECIMALS = frozenset(_NONE.split()), frozenset(_THREE.split())


def num_decimals(currency: str) -> int:
    """Return the number of decimals that amounts in a currency have.

    Args:
        currency: one of `CURRENCIES`.
    """
    return 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
