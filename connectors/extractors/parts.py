"""Splits a mail into what its sender wrote, what is forwarded and what is quoted, and finds who speaks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policies.extract import at_home


class Kind(StrEnum):
    """What a part of a mail is."""

    OWN = "own"
    FORWARDED = "forwarded"
    QUOTED = "quoted"


@dataclass
class Part:
    """A stretch of a mail by one writer.

    Attributes:
        start, end: of its body in the text, header lines left out.
        header: of the line that names its author; empty for the sender's own.
        signature: where the closing formula or the block of details at its end begins; `end` if nowhere.
    """

    kind: Kind
    start: int
    end: int
    header: tuple[int, int] = (0, 0)
    signature: int = 0


_FORWARD = re.compile(
    r"^[-_*\s]*(?:begin )?(?:forwarded message|weitergeleitete nachricht|"
    r"anfang der weitergeleiteten (?:nachricht|e-mail)|message transf[ée]r[ée]|"
    r"d[ée]but du message (?:transf[ée]r[ée]|r[ée]exp[ée]di[ée])|mensaje reenviado|(?:inizio )?messaggio inoltrato|"
    r"(?:begin )?doorgestuurd bericht|(?:wiadomo[śs][ćc] przekazana|przekazana wiadomo[śs][ćc]))\b[-_*:\s]*$",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"^[-_*\s]*(?:original message|urspr[üu]ngliche nachricht|message d['’]origine|original-nachricht|"
    r"messaggio originale|oorspronkelijk bericht|mensaje original|"
    r"(?:oryginalna )?wiadomo[śs][ćc](?: oryginalna)?)[-_*:\s]*$",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"^(?:on|am|le|op|il|el|w dniu|dnia)\b.{6,150}\b"
    r"(?:wrote|schrieb|[ée]crit|schreef|ha scritto|escribi[óo]|napisa[łl]\w*|pisze)\b.{0,80}:$",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"^\*?(?:from|sent|date|to|cc|subject|reply-to|von|gesendet|datum|an|betreff|"
    r"antwort an|de|envoy[ée]|[àa]|objet|da|inviato|oggetto|van|verzonden|aan|onderwerp|od|wys[łl]ano|data|do|temat|"
    r"para|asunto|enviado(?: el)?|fecha)\*?\s?:",
    re.IGNORECASE,
)
_AUTHOR = re.compile(r"^\*?(?:from|von|de|da|van|od)\*?\s?:", re.IGNORECASE)
_SUBJECT_OF_FORWARD = re.compile(
    r"^(?:(?:subject|betreff|objet)\s?:\s*)?(?:fwd?|wg|tr|rv|i|doorst|pd)\s?:", re.IGNORECASE
)
_HEADERS_NEEDED = 3
"""Header lines in a row that begin a quoted mail without a divider, as Outlook writes it."""


@dataclass(frozen=True)
class _Line:
    start: int
    end: int
    bare: str
    """Without the marks of quoting and outer white space."""
    quoted: bool


def _lines(text: str) -> list[_Line]:
    found, start = [], 0
    for line in text.split("\n"):
        bare = line.strip().lstrip("> ").strip()
        found.append(_Line(start, start + len(line), bare, line.lstrip().startswith(">")))
        start += len(line) + 1
    return found


def split(text: str) -> list[Part]:
    """The parts of a mail, in order; the first is what its sender wrote, be it empty."""
    lines = _lines(text)
    forwards = bool(lines) and bool(_SUBJECT_OF_FORWARD.match(lines[0].bare))
    parts = [Part(Kind.OWN, 0, len(text))]
    in_header = False
    for index, line in enumerate(lines):
        kind = _begins(lines, index, forwards=forwards)
        if kind is not None and not in_header:
            _begin(parts, kind, line)
            in_header = True
            if _AUTHOR.match(line.bare) or _WROTE.match(line.bare):
                parts[-1].header = (line.start, line.end)
        elif in_header and (not line.bare or _HEADER.match(line.bare)):
            if _AUTHOR.match(line.bare):
                parts[-1].header = (line.start, line.end)
            parts[-1].start = line.end
        elif line.quoted and parts[-1].kind is Kind.OWN:
            _begin(parts, Kind.QUOTED, line, start=line.start)
        elif not line.quoted and line.bare and parts[-1].kind is Kind.QUOTED and _was_quoted(text, parts[-1]):
            _begin(parts, Kind.OWN, line, start=line.start)
        else:
            in_header = False
    for part in parts:
        part.signature = _signature(text, part)
    return parts


def _begins(lines: Sequence[_Line], index: int, *, forwards: bool) -> Kind | None:
    """What begins on a line, if anything does."""
    bare = lines[index].bare
    if _FORWARD.match(bare):
        return Kind.FORWARDED
    ambiguous = Kind.FORWARDED if forwards else Kind.QUOTED
    if _ORIGINAL.match(bare):
        return ambiguous
    if _WROTE.match(bare) or (
        index + 1 < len(lines)
        and re.match(r"(?:On|Am|Le|Op|Il|El|W dniu) ", bare)
        and _WROTE.match(f"{bare} {lines[index + 1].bare}")
    ):
        return Kind.QUOTED
    if _AUTHOR.match(bare):
        headers = sum(bool(_HEADER.match(line.bare)) for line in lines[index : index + 5])
        return ambiguous if headers >= _HEADERS_NEEDED else None
    return None


def _begin(parts: list[Part], kind: Kind, line: _Line, start: int | None = None) -> None:
    end = parts[-1].end
    parts[-1].end = max(parts[-1].start, line.start)
    parts.append(Part(kind, line.end if start is None else start, end))


def _was_quoted(text: str, part: Part) -> bool:
    """Whether a part is quoted by marks at its lines, so that a line without one ends it."""
    return any(line.lstrip().startswith(">") for line in text[part.start : part.end].split("\n")[:3])


CLOSING = re.compile(
    r"^(?:(?:many |kind(?:est)? |best |warm |with (?:kind|best) )?(?:regards|wishes)|"
    r"(?:many )?thank(?:s| you)|thx|cheers|best|sincerely|yours(?: (?:sincerely|faithfully|truly))?|"
    r"all the best|br|rgds|"
    r"(?:mit )?(?:[^\W\d_]{4,14}e[nmr]? )?gr(?:ü|u|ue)(?:ß|ss)e?n?(?: (?:aus|von)(?: de[rmn])? [\w ]{3,30})?|"
    r"mfg|lg|vg|danke(?: sch[öo]n)?|vielen dank|(?:mit )?beste[nm] dank|herzlich(?:st)?|"
    r"atentamente|(?:muchas )?gracias(?: de antemano)?|(?:reciban? )?un (?:cordial )?saludo|cordialmente|"
    r"grazie(?: mille| in anticipo)?|(?:un )?(?:caro )?saluto|buona giornata|mvg|(?:alvast )?bedankt|"
    r"dank(?: u)?(?: wel)?|"
    r"(?:serdecznie )?pozdrawiam(?: serdecznie)?|z (?:powa[żz]aniem|pozdrowieniami|wyrazami szacunku)|pozdrowienia|"
    r"(?:z g[óo]ry )?dzi[ęe]kuj[ęe]|"
    r"alles (?:gute|liebe)|vergelt['’]s gott|bis (?:dann|denn|bald)|mit verbindlichen empfehlungen|take care|"
    r"hochachtungsvoll|(?:bien )?cordialement|bien à vous|(?:meilleures |sinc[èe]res )?salutations"
    r"(?: distingu[ée]es)?|merci(?: d['’]avance| beaucoup)?|amicalement|(?:un )?saludos?(?: cordial(?:es)?)?|"
    r"(?:met )?(?:vriendelijke |hartelijke )?gr(?:oet(?:en|jes)?|tjs)|(?:cordiali |distinti )?saluti|"
    r"(?:med )?(?:venlig|vennlig|v[äa]nliga?) h[iä]ls(?:en|ning(?:ar)?))(?![^\W_])"
    r"(?:(?:,? (?:and|und|et|&) | )(?:in advance|im voraus|so much|a lot|again|(?:kind|best) regards|"
    r"(?:viele |liebe |beste )?gr(?:ü|u|ue)(?:ß|ss)e?|"
    r"f[üu]r ihre m[üu]he|cordialement|best))*"
    r"\s?[,.!–-]*\s*(?P<rest>[^\d,.!?:]{0,45})$",
    re.IGNORECASE,
)
_DELIMITER = re.compile(r"^(?:--|–|—|_{3,}|-{4,})$")
_DEVICE = re.compile(
    r"^(?:sent from|von meinem \w+ gesendet|gesendet (?:mit|von)|envoy[ée] d(?:e|epuis)|get outlook)", re.IGNORECASE
)
_SHORT, _MOST_LINES = 60, 12


def _signature(text: str, part: Part) -> int:
    """Where the writer signs: after the last closing formula or divider, or the short lines at the end."""
    lines = [line for line in _lines(text[part.start : part.end]) if line.bare and not _DEVICE.match(line.bare)]
    for line in reversed(lines):
        found = CLOSING.match(line.bare)
        if _DELIMITER.match(line.bare) or (found and _signs(found["rest"])):
            return part.start + line.start
    block = _last_block(_lines(text[part.start : part.end]))
    return part.start + block[0].start if block and len(block) < len(lines) else part.end


def _signs(rest: str) -> bool:
    """Whether what follows a closing formula is a name, or nothing: not `Thanks for the offer`."""
    words = rest.split()
    return len(words) <= _MOST_NAMES and all(word[0].isupper() or word in ("von", "van", "de", "der") for word in words)


_MOST_NAMES = 4


def _last_block(lines: Sequence[_Line]) -> list[_Line]:
    """The lines at the end that are all short and no sentences."""
    block: list[_Line] = []
    for line in reversed(lines):
        if _DEVICE.match(line.bare) or (not line.bare and not block):
            continue
        if not line.bare or len(line.bare) > _SHORT or _is_sentence(line.bare) or len(block) >= _MOST_LINES:
            break
        block.insert(0, line)
    return block


_SHORT_WORDS = 4


def _is_sentence(bare: str) -> bool:
    """Whether a line ends as sentences do; `Papirna s.r.o.` is none."""
    words = bare.split()
    return bare[-1] in "?!:;" or (
        bare[-1] == "." and (len(words) > _SHORT_WORDS or (words[-1][:-1].islower() and "." not in words[-1][:-1]))
    )


EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[^\W_](?:[\w-]{0,62}\.){1,8}[^\W\d_]{2,24}(?![\w-])")


_SAID_AT = re.compile(
    r"^[>\s]*[\[(]?\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: ?[ap]m)?[\])]?[\s,–-]*[^\W\d_][^:\n]{0,40}:\s",
    re.MULTILINE | re.IGNORECASE,
)
_TURNS = 3


def is_talk(text: str) -> bool:
    """Whether a text is the protocol of a chat, in which the lines are several people's by turns."""
    return len(_SAID_AT.findall(text)) >= _TURNS


def addresses(text: str, part: Part) -> Iterator[str]:
    """Every e-mail address of a part, its author's included."""
    for start, end in ((part.start, part.end), part.header):
        yield from EMAIL.findall(text[start:end])


def is_ours(text: str, part: Part, ours: Sequence[str]) -> bool:
    """Whether a part is written by somebody of our own house: by its author, else by its addresses."""
    known = EMAIL.findall(text[slice(*part.header)]) or list(addresses(text, part))
    return bool(known) and all(at_home(address, ours) for address in known)
