"""Matches by type: addresses, phone numbers, amounts, dates, counts, and what fits a pattern."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.extractors.parts import EMAIL
from policies.extract import Wanted
from policies.fields import Conventions, FieldType, normalised
from policies.money import CURRENCY, MONEY, TIMES


@dataclass(frozen=True)
class Match:
    """A value, normalised, and its place; `rank` 0 is preferred to 1 where both are the sender's."""

    value: str
    start: int
    end: int
    rank: int = 0


_MACHINES = re.compile(
    r"^(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|abuse|unsubscribe|bounces?)", re.IGNORECASE
)
_SHARED = re.compile(
    r"^(?:info|office|sales|kontakt|contact|mail|support|service|hello|team|post|zentrale|accueil)@", re.IGNORECASE
)
_OUTDATED = re.compile(
    r"\b(?:old|alt|former|previous|no longer|not any ?more|alte\w*|fr[üu]here\w*|nicht mehr|"
    r"ancien\w*|vecchi[oa]|viej[oa]|antigu[oa]|oude|star[yae]|poprzedni\w*|vorige|anterior|precedente|"
    r"not use|don['’]t use|wrong|falsch|instead of|statt)\b",
    re.IGNORECASE,
)


_BETWEEN = re.compile(r"\b(?:between|zwischen|entre)\b[^.!?\n]{0,25}$", re.IGNORECASE)


def emails(text: str, start: int, end: int) -> Iterator[Match]:
    """Addresses of people; those of machines are none."""
    for found in EMAIL.finditer(text, start, end):
        value = normalised(FieldType.EMAIL, found[0].rstrip("."), Conventions())
        before = _before(text, found.start(), start)
        if value and not (_MACHINES.match(value) or _OUTDATED.search(before) or _REFUSED.search(before)):
            yield Match(value, *found.span(), rank=int(bool(_SHARED.match(value))))


_REFUSED = re.compile(r"\b(?:nicht|not|pas|non|niet|nie|no (?:al|use|usar|llam\w+))\b[^.!?\n,;]{0,25}$", re.IGNORECASE)
_FAX = re.compile(
    r"(?:(?:\bfax|\bfaks|telefax|t[ée]l[ée]copie|(?<![\w])f)\b[\s.:/()-]*|"
    r"\b(?:tele)?fax\b(?:(?!tel|t[ée]l|fon|phone|mob|cell|handy|gsm)[^\d\n]){0,40})$",
    re.IGNORECASE,
)
_MOBILE = re.compile(
    r"(?:mob(?:il|ile|iltelefon)?|cell|handy|portable|gsm|(?<!\w)m|whatsapp)\b[\s.:/()-]*$", re.IGNORECASE
)
_NO_PHONE = re.compile(
    r"(?:order|invoice|rechnung\w*|bestell\w*|auftrag\w*|kunden\w*|customer|commande|facture|client|\bref|vat|"
    r"ust|iban|factura|pedido|cliente|fattura|ordine|\biva|\bnif|\bcif|\bkvk|\bbtw|factuur|bestelling|klant\w*|\bnip|"
    r"\bregon|\bkrs|faktur\w*|zam[óo]wieni\w*|"
    r"ticket|\bpo|hrb|siret|siren|konto|account|tax|steuer|article|artikel|serial|s/n|tva|"
    r"dial[ -]?in|einwahl\w*|conference|konferenz\w*|meeting|webinar|hotline)[^\n\d]{0,15}$|[\w#-]$",
    re.IGNORECASE,
)


_HAS_OTHER = re.compile(r"[^\w\n]{0,8}(?:durchwahl|dw|direkt|direct|dir|direkte?)\b", re.IGNORECASE)
"""After a switchboard's number: the sender's own is another, be it only its last digits."""


def phones(text: str, start: int, end: int, region: str | None) -> Iterator[Match]:
    """Phone numbers that are valid where they are; fax numbers, order numbers and outdated ones are none."""
    from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher, format_number  # noqa: PLC0415

    for at, line in _lines(text, start, end):
        spelled = [address.span() for address in EMAIL.finditer(line)]
        for found in PhoneNumberMatcher(line, region, leniency=Leniency.VALID):
            before = line[: found.start]
            if any(first <= found.start < last for first, last in spelled):  # ann.0891234567@example.com
                continue
            around = _said_before(before) + " | " + line[found.end : found.end + 30]
            if _FAX.search(before) or _NO_PHONE.search(before) or _OUTDATED.search(around) or _REFUSED.search(before):
                continue
            if _HAS_OTHER.match(line, found.end):
                continue
            value = str(format_number(found.number, PhoneNumberFormat.E164))
            yield Match(value, at + found.start, at + found.end, rank=int(bool(_MOBILE.search(before))))


_AMOUNT = re.compile(rf"(?<![\w.,]){MONEY}(?![\d%])", re.IGNORECASE)
_FROM = re.compile(
    r"(?:\d[\d.,]*\s?(?:k|m)?\s*(?:[€$£]|eur\w*|usd|gbp|chf)?\s*(?:-|–|to|bis|à|or|oder)\s*|"
    r"\b(?:over|more than|at least|mindestens|[üu]ber|mehr als|plus de|au moins|starting at|save|saved?)\s*)$",
    re.IGNORECASE,
)
_TO = re.compile(r"\s*(?:-|–|to\b|bis\b|à\b|or\b|oder\b)\s*(?:[€$£]|eur|usd|gbp|chf)?\s?\d", re.IGNORECASE)
_EACH = re.compile(
    r"\s*(?:/|\bper\b|\bpro\b|\beach\b|\bje\b|\bpar\b|\ba (?:month|year|piece|seat)\b|\bmonthly\b|\bmonatlich\b|"
    r"\bdas st[üu]ck)",
    re.IGNORECASE,
)


_EARLIER = re.compile(
    r"(?:\((?:was|were|before|previously|formerly|war|waren|vorher|bisher|avant)\b|"
    r"\b20\d\d\b[^.!?;\n]{0,30}\b(?:was|were|war|waren|betrug|lag|[ée]tait)\b|"
    r"\b(?:last year|previously|formerly|letztes jahr|im vorjahr|l['’]an(?:n[ée]e)? derni[èe]re?)\b[^.!?;,\n]{0,30}|"
    r"\b(?:instead of|rather than|statt|anstatt|anstelle von|au lieu de|en vez de|invece di))[^.!?;,\n]{0,20}$",
    re.IGNORECASE,
)
"""Before an amount that is told of the past, or that another one has replaced."""


def amounts(text: str, start: int, end: int, region: str | None) -> Iterator[Match]:
    """Amounts of money; ends of a range, lower limits and prices of a unit are none."""
    for found in _AMOUNT.finditer(text, start, end):
        around = _FROM.search(text[max(start, found.start() - 30) : found.start()]) or _TO.match(text, found.end())
        value = normalised(FieldType.MONEY, found[0], Conventions(region))
        before = text[max(start, found.start() - 60) : found.start()]
        apart = _BETWEEN.search(before) or _EARLIER.search(before)
        if value and not around and not apart and not _EACH.match(text, found.end()):
            yield Match(value, *found.span())


_MONTH = r"[^\W\d_]{3,10}\.?"
_DATE = re.compile(
    rf"(?<![\w./-])(?:\d{{4}}-\d{{1,2}}-\d{{1,2}}|\d{{1,2}}([./-])\s?\d{{1,2}}\1\s?(?:\d{{4}}|\d{{2}})|"
    rf"\d{{1,2}}(?:st|nd|rd|th|er)?\.?\s(?:of\s|de\s)?{_MONTH},?\s\d{{4}}|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|"
    rf"th)?,?\s\d{{4}})(?![\w/-])",
    re.IGNORECASE,
)
_FROM_DAY = re.compile(
    r"(?:\d\.?\s*(?:-|–|/|to|bis|and|und|et|au|or|oder)|"
    r"\b(?:from|after|ab|nach|seit|since|fr[üu]hestens|earliest|[àa] partir|vom|dated|apr[èe]s)"
    r"(?:\s(?:dem|the|den|du|on|am|ab))?|"
    r"\b(?:was|were|wurden?|arrived|came|kam(?:en)?|ordered|bestellt|promised|zugesagt|versprochen|devai(?:t|en)t?|"
    r"a [ée]t[ée]|ont [ée]t[ée])\b[^.,;!?\n]{0,30}|"
    r"\b(?:nicht|not|instead of|statt|pas|anstatt|rather than)"
    r"(?:\s(?:erst|only|seulement|am|on|le|before|vor|den|the|du))*)\s*$",
    re.IGNORECASE,
)


_TO_DAY = re.compile(r"\s*(?:-|–|to|until|till|bis|auf|au)\s+(?:zum\s+|den\s+)?\d", re.IGNORECASE)


def dates(text: str, start: int, end: int, conventions: Conventions) -> Iterator[Match]:
    """Days with their year; ends of a range are none."""
    for found in _DATE.finditer(text, start, end):
        value = normalised(FieldType.DATE, found[0], conventions)
        before = text[max(start, found.start() - 40) : found.start()]
        ranged = _FROM_DAY.search(before) or _TO_DAY.match(text, found.end()) or _BETWEEN.search(before)
        if value and not ranged:
            yield Match(value, *found.span())


_COUNT = re.compile(
    r"(?<![\w.,/€$£+-])\d{1,3}(?:[.,' ]\d{3})+(?![\w/%€$£])|(?<![\w.,/€$£+-])\d{1,9}\+?(?![\w/%€$£.,-]*\d)(?![%€$£/])"
)
_IN_RANGE = re.compile(r"\d\s*(?:-|–|to|bis|auf|à|or|oder)\s*$", re.IGNORECASE)
_OF_LIST = re.compile(r"(?:^|\n)[ \t>]*$")
_NO_COUNT = re.compile(rf"\s?{CURRENCY}|{TIMES}\s?{CURRENCY}", re.IGNORECASE)
_OF_MONEY = re.compile(rf"{CURRENCY}\s?$", re.IGNORECASE)
_GOES_ON = re.compile(r"\s*(?:-|–|to|bis|auf|à|or|oder)\s*\d", re.IGNORECASE)


def counts(text: str, start: int, end: int) -> Iterator[Match]:
    """Plain numbers; ends of a range, amounts of money and the numbers of a list's points are none."""
    for found in _COUNT.finditer(text, start, end):
        value = normalised(FieldType.NUMBER, found[0].replace("'", ""), Conventions())
        before = text[max(start, found.start() - 40) : found.start()]
        ranged = _IN_RANGE.search(before) or _BETWEEN.search(before) or _GOES_ON.match(text, found.end())
        money = _OF_MONEY.search(before) or _NO_COUNT.match(text, found.end())
        listed = _OF_LIST.search(before or "\n") and re.match(r"[.)]\s", text[found.end() : found.end() + 2])
        if value and not (ranged or money or listed or _NOT.search(before) or _in_phone(text, *found.span())):
            yield Match(value, *found.span())


_NOT = re.compile(r"\b(?:nicht|not|pas|keine|non|niet|nie)\s+(?:mehr\s+|ca\.?\s+|about\s+)?$", re.IGNORECASE)
_PHONE_LIKE = re.compile(r"(?<![\w.])(?:\+|\(?0)\d[\d ()/.-]{5,}\d")


def _in_phone(text: str, start: int, end: int) -> bool:
    """Whether a count is but the digits of a number that begins like a telephone's."""
    line = text.rfind("\n", 0, start) + 1
    return any(
        found.start() <= start and end <= found.end()
        for found in _PHONE_LIKE.finditer(text, line, (text + "\n").index("\n", end))
    )


_LIKE_LAST_TIME = re.compile(
    r"\b(?:(?:same )?(?:as|like) (?:last time|before|always|in)|wie (?:beim )?(?:letzte[ns]? mal|zuletzt|immer|gehabt|"
    r"bei|in)|comme (?:la derni[èe]re fois|d['’]habitude))\b[^.!?;\n]{0,20}$",
    re.IGNORECASE,
)
"""Before what a message only compares itself with."""


def fitting(pattern: str, text: str, start: int, end: int) -> Iterator[Match]:
    """What fits a policy's pattern as whole words, in any letter case."""
    for found in re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE).finditer(text, start, end):
        if found[0].strip() and not _LIKE_LAST_TIME.search(text[max(start, found.start() - 60) : found.start()]):
            yield Match(" ".join(found[0].split()), *found.span())


def of_kind(kind: FieldType, wanted: Wanted, text: str, start: int, end: int, conventions: Conventions) -> list[Match]:
    """Matches of a field's type, or of its pattern, between two places of a text."""
    if wanted.pattern is not None:
        found = fitting(wanted.pattern, text, start, end)
    else:
        match kind:
            case FieldType.EMAIL:
                found = emails(text, start, end)
            case FieldType.PHONE:
                found = phones(text, start, end, conventions.region)
            case FieldType.MONEY:
                found = amounts(text, start, end, conventions.region)
            case FieldType.DATE:
                found = dates(text, start, end, conventions)
            case FieldType.NUMBER:
                found = counts(text, start, end)
            case FieldType.TEXT | FieldType.NAME | FieldType.COUNTRY | FieldType.COMPANY:
                found = iter(())
    return list(found)


def _before(text: str, position: int, start: int) -> str:
    """What stands before a place on its line, in its sentence."""
    return _said_before(text[max(start, text.rfind("\n", 0, position) + 1) : position])


def _said_before(line: str) -> str:
    return re.split(r"[.!?;]\s", line)[-1][-60:]


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for line in text[start:end].split("\n"):
        yield start, line
        start += len(line) + 1
