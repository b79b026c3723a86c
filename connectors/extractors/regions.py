"""In which country's way a mail writes its telephone numbers."""

import re
from collections import Counter
from collections.abc import Collection
from functools import cache

from connectors.extractors.places import countries
from connectors.extractors.senders import Mail
from policies.money import MONEY, money

_WORDS = {
    "de": "und der das wir ich nicht bitte mit für ist eine einen auch sie uns haben guten tag grüße grüßen gruß mfg "
    "freundlichen freundliche viele sehr geehrte damen herren moin servus danke vom zur zum bei nachricht wann kostet",
    "en": "the and we you please with for is are our have can would this not your hello hi dear regards thanks cheers",
    "fr": "le la les nous vous et pour une des est sommes pouvez avec je notre merci bonjour cordialement du dans au",
    "it": "il di che per una sono non con abbiamo grazie nostro della dell del buongiorno salve saluti vorrei gentile "
    "ordine lettore cordiali al nel",
    "es": "el los que por una para con somos gracias nuestro del hola buenos buenas días saludos pedido al atentamente",
    "nl": "het een wij voor met zijn kunt onze graag niet van bericht op groet groeten vriendelijke beste geachte bel "
    "mij bestelling goedemorgen",
    "pl": "i w na się nie jest do z że proszę są dla oraz dziękuję mamy jak dzień dobry pozdrawiam witam poważaniem",
}
"""Function words and greetings by language."""


def spoken_region(mail: Mail, region: str | None, told: Collection[str]) -> str | None:
    """The country in whose way the sender writes numbers without a prefix; None where that cannot be told.

    The same digits are valid numbers of several countries. So the mail must tell: by the sender's
    country, the ending of their address, the country's prefix at one of their numbers, or a language
    of the policy's region, if they speak of no other country's currency.

    Args:
        told: ISO codes of the sender's country, where a field says it.
    """
    if region and _foreign_money(mail, region) and not told:
        region = None
    seen = set(told) or {one.value for one in countries(mail)} or _by_domain(mail) or _by_prefix(mail)
    if seen:
        return next(iter(seen)) if len(seen) == 1 else None
    language = _language("\n".join(mail.text[part.start : part.end] for part in mail.speaking))
    return region if region and language in _official(region) else None


def _foreign_money(mail: Mail, region: str) -> bool:
    """Whether the sender speaks of amounts, and of none in a currency of a region."""
    from babel.numbers import get_territory_currencies  # noqa: PLC0415

    spoken = {
        money(found[0], region)[-3:]
        for part in mail.speaking
        for found in re.finditer(MONEY, mail.text[part.start : part.end], re.IGNORECASE)
    } - {""}
    return bool(spoken) and spoken.isdisjoint(get_territory_currencies(region))


def _by_domain(mail: Mail) -> set[str]:
    endings = {domain.rpartition(".")[2].upper() for domain in mail.domains}
    return {"GB" if ending == "UK" else ending for ending in endings if ending in _supported() or ending == "UK"}


def _by_prefix(mail: Mail) -> set[str]:
    from phonenumbers import PhoneNumberMatcher, region_code_for_number  # noqa: PLC0415

    return {
        region
        for part in mail.speaking
        for found in PhoneNumberMatcher(mail.text[part.start : part.end], None)
        if (region := region_code_for_number(found.number))
    }


def _language(text: str) -> str | None:
    """The language of most function words; None where two have as many or there are none."""
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    counts = {language: sum(words[word] for word in known.split()) for language, known in _WORDS.items()}
    (first, most), (_, second) = sorted(counts.items(), key=lambda pair: -pair[1])[:2]
    return first if most > second else None


@cache
def _supported() -> frozenset[str]:
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415

    return frozenset(SUPPORTED_REGIONS)


@cache
def _official(region: str) -> frozenset[str]:
    from babel.languages import get_official_languages  # noqa: PLC0415

    return frozenset(get_official_languages(region, regional=True, de_facto=True))
