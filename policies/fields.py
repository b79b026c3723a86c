"""What each type of field takes, and the one spelling that it is written in.

Whatever is empty, malformed or ambiguous becomes empty text: it counts as missing, and is
never guessed. What came out goes in again unchanged.

The libraries behind the types take a tenth of a second each to import, and not every policy
has all types: they are imported when a type first needs them.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import assert_never

from policies.money import money

LARGEST_NUMBER = 1e15
"""Beyond it a float no longer counts in ones."""

LONGEST_NAME = 100
"""Characters; a longer one is a sentence."""


class FieldType(StrEnum):
    """How a field's text is checked and normalised; rules see numbers as numbers, all else as text."""

    TEXT = "text"
    EMAIL = "email"
    NUMBER = "number"
    PHONE = "phone"
    """E.164: `+49891234567`."""
    COUNTRY = "country"
    """ISO 3166-1 alpha-2: `DE`."""
    MONEY = "money"
    """Amount and ISO 4217 code: `1234.50 EUR`."""
    DATE = "date"
    """ISO 8601: `2026-03-04`."""
    NAME = "name"
    """A person's name, without titles."""
    COMPANY = "company"
    """A company's name as its people write it, on one line."""


TAKES = {
    FieldType.TEXT: "any text",
    FieldType.EMAIL: "an e-mail address",
    FieldType.NUMBER: "a count, such as 1200",
    FieldType.PHONE: "a telephone number with its country's prefix",
    FieldType.COUNTRY: "a country",
    FieldType.MONEY: "an amount with its currency, such as 1234.50 EUR",
    FieldType.DATE: "a day, such as 2026-03-04",
    FieldType.NAME: "a person's name",
    FieldType.COMPANY: "a company's name",
}
"""What people write of each type."""


class DateOrder(StrEnum):
    """What `03/04/2026` means."""

    DMY = "DMY"
    MDY = "MDY"


@dataclass(frozen=True)
class Conventions:
    """What people leave unsaid where a policy works.

    Attributes:
        region: ISO alpha-2 of the country whose phone numbers come without a prefix; None for none.
        date_order: None leaves `03/04/2026` ambiguous.
    """

    region: str | None = None
    date_order: DateOrder | None = None


def normalised(kind: FieldType, raw: str, conventions: Conventions) -> str:
    """`raw` in its type's one spelling; empty where it has none."""
    match kind:
        case FieldType.TEXT:
            return raw
        case FieldType.EMAIL:
            return _email(raw)
        case FieldType.NUMBER:
            value = number(raw)
            return "" if value is None else f"{value:.15g}"
        case FieldType.PHONE:
            return _phone(raw, conventions.region)
        case FieldType.COUNTRY:
            return _countries().get(_key(raw), "")
        case FieldType.MONEY:
            return money(raw, conventions.region)
        case FieldType.DATE:
            return _date(raw, conventions.date_order)
        case FieldType.NAME:
            return _name(raw)
        case FieldType.COMPANY:
            return _company(raw)
        case _:
            assert_never(kind)


_GROUPED = re.compile(r"\d{1,3}([.,]\d{3})+")


def number(raw: str) -> float | None:
    """A plain count such as `1,200`, `1.200` or `500+`; None for anything else."""
    digits = raw.strip().rstrip("+").replace(" ", "")
    try:
        value = float(re.sub("[.,]", "", digits) if _GROUPED.fullmatch(digits) else digits)
    except ValueError:
        return None
    return value if 0 <= value < LARGEST_NUMBER else None


def _email(raw: str) -> str:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        return validate_email(raw, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        return ""


def _phone(raw: str, region: str | None) -> str:
    import phonenumbers  # noqa: PLC0415

    try:
        parsed = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(parsed):
        return ""
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


_LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl", "da", "sv", "nb", "fi", "cs", "sk", "sl", "hr", "hu",
              "ro", "bg", "el", "tr", "ru", "uk", "et", "lv", "lt", "is", "ar", "he", "zh", "ja", "ko", "vi",
              "id")  # fmt: skip
_NO_COUNTRY = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
"""CLDR's two-letter codes of groups and pseudo-locales."""
_ALSO_CALLED = {
    "uk": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB",
    "grossbritannien": "GB", "england uk": "GB", "holland": "NL", "the netherlands": "NL", "america": "US",
    "united states of america": "US", "the united states": "US", "us of a": "US", "etats unis": "US",
    "bundesrepublik deutschland": "DE", "brd": "DE", "czech republic": "CZ", "tschechische republik": "CZ",
    "republic of ireland": "IE", "eire": "IE", "south korea": "KR", "uae": "AE", "slovak republic": "SK",
    "swiss": "CH", "suisse": "CH",
}  # fmt: skip
"""What people write and CLDR does not list; constituent countries count as the state of their ISO code."""


def _key(raw: str) -> str:
    """A country's name without case, points and hyphens."""
    return " ".join(re.sub(r"[.\-’']", lambda sign: "" if sign[0] == "." else " ", raw.casefold()).split())


@cache
def _countries() -> dict[str, str]:
    """ISO code by name in `_LANGUAGES`, alpha-2 and alpha-3 code; names of two countries are left out."""
    from babel import Locale  # noqa: PLC0415
    from babel.core import get_global  # noqa: PLC0415

    codes: dict[str, set[str]] = {}
    for language in _LANGUAGES:
        for code, name in Locale.parse(language).territories.items():
            if re.fullmatch("[A-Z]{2}", code) and code not in _NO_COUNTRY:
                codes.setdefault(_key(name), set()).add(code)
                codes.setdefault(code.lower(), set()).add(code)
    for alias, current in get_global("territory_aliases").items():
        if re.fullmatch("[A-Z]{3}", alias) and len(current) == 1 and current[0].lower() in codes:
            codes.setdefault(alias.lower(), set()).add(current[0])
    return {name: next(iter(found)) for name, found in codes.items() if len(found) == 1} | _ALSO_CALLED


def country_named(raw: str) -> str:
    """The code of a country that running text names; its codes but for `USA` and `UK` are too like other words."""
    name = _key(raw)
    return _countries().get(name, "") if len(name) > 3 or name in ("usa", "uk", "uae") else ""  # noqa: PLR2004  codes


_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4}|\d{2})")
_WITH_MONTH = re.compile(r"(?=.*\b\d{4}\b)(?=.*[^\W\d_]{3}).{8,40}", re.DOTALL)
_DATE_LANGUAGES = ["en", "de", "fr", "es", "it", "nl"]
_CENTURY = 2000
_LAST_MONTH = 12


def _date(raw: str, order: DateOrder | None) -> str:
    plain = " ".join(raw.split())
    if found := _YEAR_FIRST.fullmatch(plain):
        return _iso(int(found[1]), int(found[3]), int(found[4]))
    if found := _YEAR_LAST.fullmatch(plain):
        year = int(found[4]) + (_CENTURY if len(found[4]) == 2 else 0)  # noqa: PLR2004  two digits
        return _ordered(int(found[1]), int(found[3]), year, DateOrder.DMY if found[2] == "." else order)
    return _worded(plain) if _WITH_MONTH.fullmatch(plain) else ""


def _ordered(first: int, second: int, year: int, order: DateOrder | None) -> str:
    """Points are written where the day comes first (CLDR); elsewhere a number over 12 tells, or the policy."""
    if first > _LAST_MONTH or first == second or (order is DateOrder.DMY and second <= _LAST_MONTH):
        return _iso(year, second, first)
    if second > _LAST_MONTH or order is DateOrder.MDY:
        return _iso(year, first, second)
    return ""


def _worded(plain: str) -> str:
    """A day with its month in words and its year; a weekday or a month alone is no date."""
    import dateparser  # noqa: PLC0415

    settings = {"REQUIRE_PARTS": ["day", "month", "year"], "PARSERS": ["absolute-time"], "DATE_ORDER": "DMY"}
    try:
        found = dateparser.parse(plain, languages=_DATE_LANGUAGES, settings=settings)
    except (
        ValueError,
        OverflowError,
        IndexError,
        RecursionError,
    ):  # pragma: no cover  none is known; texts are strangers'
        return ""
    return found.date().isoformat() if found else ""


def _iso(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


_FORMS_OF_ADDRESS = re.compile(
    r"^(?:(?:herrn?|frau|monsieur|madame|mademoiselle|mme|mlle|m\.|hr\.|fr\.|dipl\.?[- ]?\w+\.?|ing\.)\s+)+",
    re.IGNORECASE,
)
_NO_NAME = re.compile(r"[\d@<>/\\|{}\[\]=+*#%$€£?!:;_~^]|https?|www\.")
_PLACEHOLDERS = frozenset(
    {"n/a", "na", "none", "unknown", "test", "anonymous", "k.a.", "k. a.", "nobody", "name", "null"}
)


def _name(raw: str) -> str:
    """First, middle and last name in reading order; capitalised where they were all capitals or all small."""
    plain = _FORMS_OF_ADDRESS.sub("", " ".join(raw.split())).strip(" ,.-–")
    unfit = len(plain) < 2 or len(plain) > LONGEST_NAME or _NO_NAME.search(plain)  # noqa: PLR2004  an initial is no name
    if unfit or plain.casefold() in _PLACEHOLDERS or not any(map(str.isalpha, plain)):
        return ""
    from nameparser import HumanName  # noqa: PLC0415

    name = HumanName(plain)
    bare = f"{name.first}{name.middle}{name.last}"
    if bare.isupper() or bare.islower():
        name.capitalize(force=True)
    return " ".join(part for part in (name.first, name.middle, name.last) if part).strip(" ,")


def _company(raw: str) -> str:
    plain = " ".join(raw.split()).strip(" ,;-–")
    unfit = len(plain) > LONGEST_NAME or plain.casefold() in _PLACEHOLDERS or not any(map(str.isalnum, plain))
    return "" if unfit else plain
