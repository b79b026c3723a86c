"""What the deterministic extractors find of each field that a policy wants from a text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from connectors.extractors.companies import companies
from connectors.extractors.headcount import is_meant
from connectors.extractors.matches import Match, of_kind
from connectors.extractors.parts import Kind, Part
from connectors.extractors.places import countries
from connectors.extractors.regions import spoken_region
from connectors.extractors.senders import Mail, names, read, somebody_else
from connectors.extractors.trust import confidence
from domain.extraction import Candidate, Found, Ground, settle
from policies.extract import About, Extract, Wanted, at_home
from policies.fields import Conventions, FieldType, normalised

VERSION = 4
"""Part of every extraction's key: raise it with any change of what is found."""


def find(
    text: str,
    wanted: Sequence[str],
    extract: Extract,
    kinds: Mapping[str, FieldType],
    conventions: Conventions,
    given: Mapping[str, str],
) -> tuple[dict[str, Found], Mail]:
    """What is found of the `wanted` fields, and the mail's parts; see `domain.extraction.settle`.

    Args:
        given: what came in by itself: the sender's address tells which part is theirs, the
            country how they write numbers.
    """
    address = next((raw for name, raw in given.items() if kinds[name] is FieldType.EMAIL), "")
    mail = read(text, extract.ours, address)
    told = {
        normalised(kinds[name], raw, conventions) for name, raw in given.items() if kinds[name] is FieldType.COUNTRY
    }
    found: dict[str, Found] = {}
    for name in sorted(wanted, key=lambda name: kinds[name] is not FieldType.COUNTRY):
        region = spoken_region(mail, conventions.region, told - {""})
        here = replace(conventions, region=region)
        settled = candidates(mail, extract.fields[name], kinds[name], here, extract.ours)
        one = settle(settled, confidence(kinds[name]))
        if one is not None:
            found[name] = one
            told |= {one.value} if kinds[name] is FieldType.COUNTRY and one.ground is not Ground.SEVERAL else set()
    return found, mail


def candidates(
    mail: Mail, wanted: Wanted, kind: FieldType, conventions: Conventions, ours: Sequence[str]
) -> list[Candidate]:
    """Every match of a field, with how far the text says that it is the one that is meant."""
    for parts in _where(mail, wanted):
        found = list(_labelled(mail.text, parts, wanted, kind, conventions))
        if wanted.about is About.SENDER:
            found = [one for one in found if not mail.addressed(one.start)]
        if wanted.about is About.SENDER and wanted.pattern is None:
            found += _of_sender(mail, parts, wanted, kind, conventions, ours)
        else:
            found += _of_matter(mail.text, parts, wanted, kind, conventions)
        if found:
            return found
    return []


def _where(mail: Mail, wanted: Wanted) -> list[list[Part]]:
    """The parts that are looked through together, the most trusted first.

    In quoted mails only what has a form of its own is looked for: their amounts and dates are
    those of an earlier day.
    """
    if wanted.about is About.SENDER:
        return [mail.speaking]
    rest = [part for part in mail.parts if part not in mail.speaking]
    own = [part for part in rest if part.kind is Kind.OWN]
    quoted = [part for part in rest if part.kind is not Kind.OWN]
    return [[*mail.speaking, *own], *([quoted] if wanted.pattern else [])]


def _labelled(
    text: str, parts: Sequence[Part], wanted: Wanted, kind: FieldType, conventions: Conventions
) -> Iterator[Candidate]:
    """Values on lines such as `Company: Nordwind GmbH`."""
    if not wanted.labels:
        return
    label = "|".join(sorted(map(re.escape, wanted.labels), key=len, reverse=True))
    line = re.compile(
        rf"^[>\s*•·-]*(?:{label})\s*\*?\s*[:=]\*?[ \t]*(?P<value>\S.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE
    )
    for part in parts:
        for found in line.finditer(text, part.start, part.end):
            for match in _readings(found, wanted, kind, conventions):
                yield Candidate(value=match.value, start=match.start, end=match.end, ground=Ground.LABELLED)


def _readings(found: re.Match[str], wanted: Wanted, kind: FieldType, conventions: Conventions) -> Iterator[Match]:
    start, end = found.span("value")
    if wanted.pattern is None:
        value = " ".join(normalised(kind, found["value"], conventions).split())
        if value and _is_all(kind, found["value"], value):
            yield Match(value, start, end)
            return
    matches = of_kind(kind, wanted, found.string, start, end, conventions)
    yield from matches[:1] if matches and matches[0].start == start else matches


def _is_all(kind: FieldType, raw: str, value: str) -> bool:
    """Whether the words behind a label are the value and no more; half a name or a second number are not."""
    match kind:
        case FieldType.TEXT:
            return value.casefold() not in _NOTHING
        case FieldType.NAME:
            return " " in value
        case FieldType.PHONE:
            return not _WORDS_BESIDE.search(raw)
        case _:
            return True


_WORDS_BESIDE = re.compile(r"(?<![^\W\d_])(?!(?:ext|extension|x|poste|int|apt)\b)[^\W\d_]{2,}", re.IGNORECASE)
_NOTHING = frozenset({"-", "--", "n/a", "na", "none", "k.a.", "keine", "unknown", "?", "tbd", "aucun", "aucune", "/"})


def _of_sender(
    mail: Mail, parts: Sequence[Part], wanted: Wanted, kind: FieldType, conventions: Conventions, ours: Sequence[str]
) -> Iterator[Candidate]:
    if kind is FieldType.NAME:
        yield from names(mail)
    elif kind is FieldType.COUNTRY:
        yield from countries(mail)
    elif kind is FieldType.COMPANY:
        yield from companies(mail)
    elif wanted.cues:
        yield from _of_matter(mail.text, parts, wanted, kind, conventions)
    else:
        yield from _of_person(mail, parts, wanted, kind, conventions, ours)


_MINE = re.compile(
    r"\b(?:my|me|mine|i['’]?m|mein\w*|mich|mir|unter|erreich\w*|mon|ma|moi|me joindre|our|us|unsere?\w*|uns|"
    r"notre|nous|mi|mis|nuestr\w+|mio|mia|nostr\w+|mijn|ons|onze|m[óo]j|moja|mnie|nasz\w*|"
    r"reach|call|write to|antwort\w* an|reply\w* to|contact)\b",
    re.IGNORECASE,
)
_THEIRS = re.compile(
    r"\b(?:colleague\w*|kolleg\w*|coll[èe]gue\w*|boss|chefs?|cc|deputy|vertret\w*|husband|wife|ehefrau|ehemann|"
    r"brother|sister|bruder|schwester|his|her|their|him|them|seine?\w*|your|you|ihre?[mnrs]?|eure?\w*|votre|vos|"
    r"sein|warehouse|lager\w*|accounting|accounts|buchhaltung|driver|fahrer|assistant\w*|assistenz|partner|"
    r"supplier|lieferant\w*|compañer\w*|colegas?|collegh?[ai]\w*|collega\w*|jefe|capo|baas|szef\w*|kierownik\w*|"
    r"koleg\w*|koleżan\w*|kierowc\w*|conductor|autista|chauffeur\w*|marido|mujer|marito|moglie|m[ąa]ż|żona|"
    r"magazzino|almac[ée]n|magazijn|magazyn\w*|contabilidad|contabilit[àa]|boekhouding|księgow\w*|comptabilit[ée]|"
    r"son|sa|ses|leur|su|sus|suo|sua|zijn|haar|jego|jej|ich|no|non|niet|nie|"
    r"not|nicht|pas|spam\w*|got a mail|mailed?|wrote|schrieb)\b",
    re.IGNORECASE,
)
_REACH = re.compile(
    r"\b(?:call|reach|ring|phone) (?:me|us)\b|\berreich\w*|\bjoign\w*|\bme joindre|\bruf\w* (?:sie )?(?:mich|"
    r"uns)\b|\bappel\w*[ -]moi\b|\bcall (?:me )?back\b|\br[üu]ckruf\b|\brappel\w*\b|"
    r"\bll[áa]m\w*(?:me|nos)\b|\b(?:chiam|contatt)\w*(?:mi|ci)\b|\bbel\w* (?:u )?(?:mij|me|ons)\b|\bdo mnie\b",
    re.IGNORECASE,
)


def _of_person(
    mail: Mail, parts: Sequence[Part], wanted: Wanted, kind: FieldType, conventions: Conventions, ours: Sequence[str]
) -> list[Candidate]:
    """Addresses and numbers of the sender: signed with, alone on their line, or spoken of as their own.

    Where the sender asks to be reached at one, that one is taken; of several that they sign
    with, their own address before a shared one, and a telephone before a mobile.
    """
    stretches = [(part.start, part.end) for part in parts]
    if kind is FieldType.EMAIL:
        stretches += [part.header for part in parts if part.kind is not Kind.OWN]
    found = [match for span in stretches for match in of_kind(kind, wanted, mail.text, *span, conventions)]
    if kind is FieldType.EMAIL:
        found = [match for match in found if not at_home(match.value, ours)]
    asked = [match for match in found if _asks(mail, match)]
    placed = asked or [match for match in found if _is_senders(mail, match)]
    least = min((match.rank for match in placed), default=0)
    best = {match.value for match in placed if match.rank == least}
    return [
        Candidate(
            value=match.value,
            start=match.start,
            end=match.end,
            ground=Ground.PLACED if match.value in best else Ground.UNPLACED,
        )
        for match in found
    ]


def _asks(mail: Mail, match: Match) -> bool:
    """Whether the sender asks to be reached there."""
    before, _ = _sentence(mail.text, match)
    return bool(_REACH.search(before)) and not somebody_else(mail, before)


def _is_senders(mail: Mail, match: Match) -> bool:
    line = mail.text[mail.text.rfind("\n", 0, match.start) + 1 : match.start]
    if somebody_else(mail, line) or mail.addressed(match.start):
        return False
    if mail.signed(match.start) or any(part.header[0] <= match.start < part.header[1] for part in mail.speaking):
        return True
    before, after = _sentence(mail.text, match)
    if _THEIRS.search(before) or _THEIRS.search(after) or somebody_else(mail, before):
        return False
    rest = before.rpartition("\n")[2] + after
    return bool(_MINE.search(before) or _NAMED.search(before)) or len(re.sub(r"[\W\d_]", "", rest)) <= _LABEL_LETTERS


_NAMED = re.compile(r"\b(?:tel|telefon|t[ée]l|phone|mail|e-mail|email|mobil|mobile|handy|cell)\W{0,3}$", re.IGNORECASE)
_LABEL_LETTERS = 10
"""Letters of `Mobiltelefon:` or `E-Mail:` beside a value that has its line to itself, about."""


def _of_matter(
    text: str, parts: Sequence[Part], wanted: Wanted, kind: FieldType, conventions: Conventions
) -> Iterator[Candidate]:
    """Matches anywhere; with cues, the one nearest to a cue within its sentence.

    What has a form of its own needs no cue: a second one, though none is beside it, leaves the field open.
    """
    found = [match for part in parts for match in of_kind(kind, wanted, text, part.start, part.end, conventions)]
    cued = set(_cued(text, parts, wanted.cues, kind, found)) if wanted.cues else set()
    uncued = Ground.UNPLACED if wanted.cues and wanted.pattern is None else Ground.ALONE
    for match in found:
        ground = Ground.CUED if match in cued else uncued
        if ground is not Ground.UNPLACED or kind is not FieldType.NUMBER:
            yield Candidate(value=match.value, start=match.start, end=match.end, ground=ground)


def _cued(
    text: str, parts: Sequence[Part], cues: Sequence[str], kind: FieldType, found: Sequence[Match]
) -> Iterator[Match]:
    spelled = "|".join(sorted((re.escape(cue).replace(r"\ ", r"\s+") for cue in cues), key=len, reverse=True))
    for part in parts:
        for cue in re.finditer(rf"(?<!\w)(?:{spelled})\w*", text[part.start : part.end], re.IGNORECASE):
            start, end = part.start + cue.start(), part.start + cue.end()
            near = [(gap, match) for match in found if (gap := _gap(text, start, end, match)) is not None]
            if kind is FieldType.NUMBER:
                near = [(gap, match) for gap, match in near if is_meant(text, (start, end), (match.start, match.end))]
            if near:
                yield min(near, key=lambda pair: pair[0])[1]


_FARTHEST = 60


def _gap(text: str, start: int, end: int, match: Match) -> int | None:
    """Characters between a cue and a match; None if they are far apart or in two sentences."""
    between = text[end : match.start] if match.start >= end else text[match.end : start]
    return None if len(between) > _FARTHEST or _APART.search(between) else len(between)


_APART = re.compile(
    r"(?<!max)(?<!ca)(?<!approx)(?<!min)(?<!bzw)(?<!incl)[.!?;](?:\s|$)|[,(](?!\d)|\n\s*\n|\n.*\n|"
    r"\A\w*\*?\s?[:=][^\n]*[^\W_][^\n]*\n",
    re.IGNORECASE,
)
"""What parts a cue from a value: a sentence's end, a bracket, an empty line, a label with a value of its own."""

_ENDS = re.compile(r"(?<!tel)(?<!nr)(?<!no)(?<!ca)(?<!approx)(?<!max)[.!?;](?=\s|$)|\n\s*\n", re.IGNORECASE)


def _sentence(text: str, match: Match) -> tuple[str, str]:
    """What stands before and after a match in its sentence."""
    before = _ENDS.split(text[max(0, match.start - 120) : match.start])[-1]
    after = _ENDS.split(text[match.end : match.end + 60])[0].partition("\n")[0]
    return before, after
