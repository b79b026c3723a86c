"""Amounts of money as people write them, read only where they can mean one thing."""

import re
from decimal import Decimal
from functools import cache

_SIGNS: dict[str, tuple[str, ...]] = {
    "€": ("EUR",),
    "£": ("GBP",),
    "us$": ("USD",),
    "ca$": ("CAD",),
    "c$": ("CAD",),
    "a$": ("AUD",),
    "au$": ("AUD",),
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"),
    "¥": ("JPY", "CNY"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "zł": ("PLN",),
    "₹": ("INR",),
    "fr.": ("CHF",),
    "sfr": ("CHF",),
    "euro": ("EUR",),
    "euros": ("EUR",),
    "eur": ("EUR",),
    "teur": ("EUR",),
    "t€": ("EUR",),
    "k€": ("EUR",),
    "m€": ("EUR",),
    "dollar": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD"),
    "dollars": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD"),
    "us dollars": ("USD",),
    "bucks": ("USD",),
    "pounds": ("GBP",),
    "pound": ("GBP",),
    "quid": ("GBP",),
    "pfund": ("GBP",),
    "francs": ("CHF",),
    "franken": ("CHF",),
}
"""The currencies that a sign or word stands for, the one that is meant abroad first."""

_ABROAD = frozenset({"$", "dollar", "dollars"})
"""Signs that outside the countries that use them mean the first of their currencies."""

_TIMES: dict[str, int] = {
    "": 1,
    "k": 1_000,
    "t": 1_000,
    "tsd": 1_000,
    "tausend": 1_000,
    "thousand": 1_000,
    "mille": 1_000,
    "m": 1_000_000,
    "mn": 1_000_000,
    "mio": 1_000_000,
    "million": 1_000_000,
    "millions": 1_000_000,
    "millionen": 1_000_000,
}
_IN_SIGN = {"teur": "k", "t€": "k", "k€": "k", "m€": "m"}

_ISO = ("EUR", "USD", "GBP", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "ISK", "PLN", "CZK", "HUF", "RON",
        "BGN", "TRY", "JPY", "CNY", "INR", "SGD", "HKD", "MXN", "BRL", "ZAR", "AED", "ILS", "KRW", "KWD", "BHD",
        "TND")  # fmt: skip

AMOUNT = r"(?:\d{1,3}(?:[ .,'’\u00a0\u202f]\d{3})+(?!\d)|\d+)(?:[.,](?:\d{1,3}(?!\d)|-{1,2}|–))?"
"""A number with its grouping and its decimals, `,-` for none of them."""

_WORDS = "|".join(sorted(map(re.escape, {*_SIGNS, *map(str.lower, _ISO)} - set("€$£¥₹")), key=len, reverse=True))
CURRENCY = rf"(?:(?:us|ca|au|c|a|t|k|m)?[€$£¥₹]|(?<![^\W\d])(?:{_WORDS})(?!\w))"
_TIMES_WORDS = "|".join(sorted(filter(None, _TIMES), key=len, reverse=True))
TIMES = rf"(?:\s?(?:{_TIMES_WORDS})\b\.?)?"

MONEY = rf"(?:{CURRENCY}\s?{AMOUNT}{TIMES}|{AMOUNT}{TIMES}\s?{CURRENCY})"
"""An amount with its currency before or after it, in any letter case."""

_BEFORE = re.compile(rf"(?P<currency>{CURRENCY})\s?(?P<amount>{AMOUNT})(?P<times>{TIMES})", re.IGNORECASE)
_AFTER = re.compile(rf"(?P<amount>{AMOUNT})(?P<times>{TIMES})\s?(?P<currency>{CURRENCY})", re.IGNORECASE)

LARGEST = Decimal(10) ** 12
"""In units of the currency; more is a typing error."""


def money(raw: str, region: str | None) -> str:
    """`1234.50 EUR` of `1.234,50 €`, `€ 1,234.50` or `1234.5 eur`; empty where it could mean two things.

    Args:
        region: ISO alpha-2 of the country in whose currency a bare `$` or `kr` is; None for none.
    """
    plain = " ".join(raw.split())
    found = _BEFORE.fullmatch(plain) or _AFTER.fullmatch(plain)
    if found is None:
        return ""
    sign = found["currency"].lower()
    currency = _currency(sign, region)
    times = _TIMES[found["times"].strip().rstrip(".").lower() or _IN_SIGN.get(sign, "")]
    amount = _amount(found["amount"], _digits(currency), times) if currency else None
    if amount is None or amount >= LARGEST:
        return ""
    return f"{amount:.{_digits(currency)}f} {currency}"


def _currency(sign: str, region: str | None) -> str:
    meant = (sign.upper(),) if sign.upper() in _ISO else _SIGNS.get(sign, ())
    own = [code for code in meant if code in _own(region)]
    if len(meant) == 1 or not own:
        return meant[0] if len(meant) == 1 or (meant and sign in _ABROAD) else ""
    return own[0] if own[0] == meant[0] or sign not in _ABROAD else ""


@cache
def _own(region: str | None) -> frozenset[str]:
    """The currencies of a country."""
    from babel.numbers import get_territory_currencies  # noqa: PLC0415

    return frozenset(get_territory_currencies(region)) if region else frozenset()


@cache
def _digits(currency: str) -> int:
    """Decimals that a currency is written with, by CLDR."""
    from babel.numbers import get_currency_precision  # noqa: PLC0415

    return int(get_currency_precision(currency)) if currency else 2


_DECIMALS = re.compile(r"[.,](\d{1,3}|-{1,2}|–)$")


def _amount(written: str, digits: int, times: int) -> Decimal | None:
    """The number; three digits after one sign group where the currency has no three decimals.

    Nothing tells `1.234 KWD` (three decimals) and `1.234 million` apart from their other reading.
    """
    tail = _DECIMALS.search(written)
    whole, cents = (written[: tail.start()], tail[1]) if tail else (written, "")
    if len(cents) == 3:  # noqa: PLR2004  a group, or three decimals
        grouped_before = re.search(r"[ .,'’\u00a0\u202f]", whole)
        if tail and grouped_before and grouped_before[0] != tail[0][0]:
            return None if digits < 3 else Decimal(f"{_plain(whole)}.{cents}")  # noqa: PLR2004
        if not grouped_before and (digits > 2 or times > 1 or len(whole) > 3 or whole.startswith("0")):  # noqa: PLR2004
            return None
        whole, cents = written, ""
    cents = cents.strip("-–")
    if len(set(re.findall(r"[ .,'’\u00a0\u202f]", whole))) > 1 or (tail and cents and tail[0][0] in whole):
        return None
    return Decimal(f"{_plain(whole)}.{cents or '0'}") * times


def _plain(whole: str) -> str:
    return re.sub(r"\D", "", whole)
