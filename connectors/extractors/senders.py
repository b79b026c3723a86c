"""Who speaks in a mail: which parts are the sender's, and the sender's name and company."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.extractors.parts import CLOSING, EMAIL, Kind, Part, addresses, is_ours, split
from domain.extraction import Candidate, Ground
from policies.extract import at_home
from policies.fields import Conventions, FieldType, country_named, normalised

_PLAIN = Conventions()


@dataclass(frozen=True)
class Mail:
    """A text with its parts.

    Attributes:
        speaking: the parts that are the sender's own words; empty where nothing tells whose they are.
        domains: of the sender's own addresses, those of mail providers left out.
    """

    text: str
    parts: list[Part]
    speaking: list[Part]
    domains: frozenset[str] = frozenset()

    def signed(self, position: int) -> bool:
        """Whether a place is in a signature of the sender's."""
        return any(part.signature <= position < part.end for part in self.speaking)


def read(text: str, ours: Sequence[str], known_address: str = "") -> Mail:
    """A text's parts, and those that are the sender's.

    Args:
        ours: domains of our own house.
        known_address: the sender's, if a form field or the envelope told it.
    """
    parts = split(text)
    speaking = _speaking(text, parts, ours, known_address.lower())
    known = {known_address, *(address for part in speaking for address in addresses(text, part))}
    domains = {address.rpartition("@")[2].lower() for address in known if address and not at_home(address, ours)}
    return Mail(text, parts, speaking, frozenset(domain for domain in domains if domain not in _PROVIDERS))


def _speaking(text: str, parts: list[Part], ours: Sequence[str], known_address: str) -> list[Part]:
    """The sender's parts: their own words, or those of the one mail that they only pass on.

    Quoted mails are never the sender's; forwarded ones are when what stands above them says
    nothing of who wrote it, or is our own house's. Where both could be, nobody is taken.
    """
    own = [part for part in parts if part.kind is Kind.OWN]
    forwarded = [part for part in parts if part.kind is Kind.FORWARDED and not is_ours(text, part, ours)]
    passed_on = any(is_ours(text, part, ours) for part in own)
    by_known = [part for part in forwarded if known_address in map(str.lower, addresses(text, part))]
    if known_address and len(by_known) == 1 and not at_home(known_address, ours):
        return by_known
    if not forwarded:
        return [] if passed_on else own
    if not passed_on and any(_identified(text, part) for part in own):
        return own
    if not passed_on and any(next(signed_names(text, part), None) for part in own):
        return []
    return forwarded if len(forwarded) == 1 else []


def _identified(text: str, part: Part) -> bool:
    """Whether the writer of a part gives an address or a number of their own."""
    signature = text[part.signature : part.end]
    return bool(EMAIL.search(signature) or re.search(r"(?:\+|\b0)[\d ()/.-]{7,}\d", signature))


_PROVIDERS = frozenset(
    {
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "yahoo.com",
        "yahoo.de",
        "yahoo.fr",
        "icloud.com",
        "me.com",
        "aol.com",
        "gmx.de",
        "gmx.net",
        "gmx.at",
        "gmx.ch",
        "web.de",
        "t-online.de",
        "freenet.de",
        "posteo.de",
        "mailbox.org",
        "proton.me",
        "protonmail.com",
        "orange.fr",
        "wanadoo.fr",
        "free.fr",
        "laposte.net",
        "sfr.fr",
        "bluewin.ch",
        "btinternet.com",
        "mail.com",
        "hotmail.fr",
        "hotmail.de",
    }
)
"""Domains that say nothing of who somebody works for."""

_PARTICLES = "von|van|de|der|den|del|della|di|da|dos|du|la|le|zu|zur|bin|al|el|ten|ter|af|av"
_WORD = r"(?:[^\W\d_a-zß-öø-ÿ](?:\.|[^\W\d_]*(?:['’-][^\W\d_]+)*))"
_PERSON = re.compile(
    rf"(?:(?:Dr|Prof|Mr|Mrs|Ms|Dipl\.-Ing|Ing|Herr|Frau|Mme|"
    rf"M)\.?\s+)*{_WORD}(?:\s+(?:(?:{_PARTICLES})\s+)*{_WORD}){{1,3}}"
)
_NO_PERSON = re.compile(
    r"\b(?:team|department|abteilung|dept|service|sales|purchasing|procurement|einkauf|vertrieb|support|office|"
    r"logisti\w+|"
    r"warehouse|lager|manager\w*|director|leiter\w*|head|gmbh|inc|ltd|llc|ag|kg|sarl|sas|group|gruppe|company|shop|"
    r"street|stra(?:ß|ss)e|road|rue|avenue|accounts?|accounting|buchhaltung|finance|marketing|operations|"
    r"assistant\w*|"
    r"engineer\w*|officer|ceo|cto|coo|cfo|gesch[äa]fts\w+|chef\w*|directeur|directrice|responsable|achats|"
    r"customer|kunden\w*|hello|hi|dear|hallo|bonjour|all|everyone|everybody|kind|best|regards|gr[üu](?:ß|ss)e\w*|"
    r"thanks|danke|merci|phone|tel|mobile?|email|mail|website|from|the|und|and|et|our|your|consultant|owner|"
    r"inhaber\w*|"
    r"founder|partner|president|supply|chain|it|technology|floor)\b",
    re.IGNORECASE,
)
_SAYS_NAME = re.compile(
    r"(?:\bmy name is|\bmy name['’]s|\bi am|\bi['’]m|\bthis is|\bmein name ist|\bich hei(?:ß|ss)e|"
    r"\bich bin(?: die| der)?|"
    r"\bje m['’]appelle|\bje suis|\bmon nom est|\bme llamo|\bhier (?:ist|spricht))\s+",
    re.IGNORECASE,
)


def names(mail: Mail) -> Iterator[Candidate]:
    """Names by which the sender introduces themselves, signs, or is called in the header of what is forwarded."""
    for part in mail.speaking:
        for start, end in (*introductions(mail.text, part), *signed_names(mail.text, part), *_header_name(mail, part)):
            if value := normalised(FieldType.NAME, mail.text[start:end], _PLAIN):
                yield Candidate(value=value, start=start, end=end, ground=Ground.PLACED)


_OTHERS = re.compile(
    rf"(?P<name>{_PERSON.pattern}|(?:Herrn?|Frau|Mr|Mrs|Ms|Mme|M)\.? {_WORD}|"
    rf"{_WORD}(?= \())(?:[\s,(:–-]+(?:[^()\n]{{0,40}}[,;/]\s*)?|[ ,(:–-]+(?i:tel|phone|telefon|mobile?|handy)\b[ .:]*)$"
)


def somebody_else(mail: Mail, before: str) -> bool:
    """Whether what stands before an address or a number names a person who is not the sender."""
    found = _OTHERS.search(before)
    if found is None:
        return False
    own = {one.value.casefold() for one in names(mail)}
    return normalised(FieldType.NAME, found["name"], _PLAIN).casefold() not in own


def introductions(text: str, part: Part) -> Iterator[tuple[int, int]]:
    """Where `my name is …` and the like are followed by a whole name."""
    for said in _SAYS_NAME.finditer(text, part.start, part.signature):
        found = _PERSON.match(text, said.end(), part.end)
        works = _COMPANY.search(text, said.end(), part.end)
        if found and works and works.start() < found.end():  # `Solène Garnier de Garnier Cycles SARL`
            found = _PERSON.match(text, said.end(), _cut(found, part.end))
        if found and "\n" not in found[0] and _is_name(found[0]):
            yield found.span()


def _cut(name: re.Match[str], otherwise: int) -> int:
    """Where a name ends that runs on into `de` or `von` and a company."""
    joined = list(re.finditer(rf"\s(?:{_PARTICLES})\s", name[0]))
    return name.start() + joined[-1].start() if joined else otherwise


def signed_names(text: str, part: Part) -> Iterator[tuple[int, int]]:
    """Where the signature begins with a whole name."""
    start = part.signature
    for line in text[part.signature : part.end].split("\n"):
        bare = line.strip().lstrip("> ").strip()
        closing = CLOSING.match(bare)
        signed = (closing["rest"] if closing else bare).strip(" *,-–—_")
        candidate = _ON_BEHALF.sub("", re.split(r"\s*[,|•·/(]|\s[-–]\s", signed)[0]).strip()
        if _is_name(candidate):
            at = text.index(candidate, start)
            yield at, at + len(candidate)
        if candidate:
            return
        start += len(line) + 1


def _is_name(candidate: str) -> bool:
    whole = _PERSON.fullmatch(candidate) or (candidate.isupper() and _PERSON.fullmatch(candidate.title()))
    return bool(whole) and not (_NO_PERSON.search(candidate) or country_named(candidate) or _COMPANY.search(candidate))


_ON_BEHALF = re.compile(r"^(?:i\. ?[AV]\.|ppa\.|gez\.|im auftrag|in vertretung|on behalf of)(?:\s+|$)", re.IGNORECASE)


def _header_name(mail: Mail, part: Part) -> Iterator[tuple[int, int]]:
    """Where the header of a forwarded mail names its author."""
    header = mail.text[slice(*part.header)]
    found = re.match(rf"^[>\s]*\*?(?:From|Von|De)\*?\s?:\*?\s*[\"']?({_PERSON.pattern})[\"']?\s*(?:<|\[|\(|$)", header)
    if found and _is_name(found[1]):
        yield part.header[0] + found.start(1), part.header[0] + found.end(1)


_LEGAL = (
    r"(?:GmbH(?: ?& ?Co\.? ?(?:KG|OHG))?|gGmbH|AG|SE|KG|OHG|GbR|e\.? ?K\.?|e\.? ?V\.?|UG|mbH|Ltd\.?|Limited|LLC|"
    r"LLP|Inc\.?|Corp\.?|PLC|plc|"
    r"S\.?A\.?R\.?L\.?|SARL|SAS|S\.A\.S\.|SA|S\.A\.|S\.?p\.?A\.?|S\.?r\.?l\.?|B\.?V\.?|N\.?V\.?|Oy|ApS|A/S|AB|"
    r"AS|Kft\.?|"
    r"s\.r\.o\.|Sp\. z o\.o\.|S\.L\.|Pty Ltd|Pte Ltd|Genossenschaft|eG)"
)
_PIECE = r"(?:(?:[^\W\d_a-zß-öø-ÿ]\.)+|[^\W\d_a-zß-öø-ÿ][\w&'’+-]*|&|und|and|\+|de|des|du|et|von|of|\d+)"
_NO_START = (
    r"(?!(?:We|I|At|From|Wir|Die|Der|Das|Bei|Von|Dear|Hello|Hi|Hallo|Our|Unsere?|Für|For|Nous|Chez|And|Und|"
    r"Firma|Company)\b)"
)
_COMPANY = re.compile(
    rf"(?<![\w&.@]){_NO_START}[^\W_a-zß-öø-ÿ][\w&'’+-]*(?:[ ]{_PIECE}){{0,4}}[ ,]{{1,2}}{_LEGAL}(?![\w])"
)
_SELF = re.compile(
    r"\b(?:we(?:['’]re| are|, the)|i work (?:at|for|with)|(?:i am|i['’]m|my name is|"
    r"this is)\b[^.!?\n]{0,40}\b(?:at|from|of|with)|"
    r"on behalf of|wir(?: sind)?(?:,? die)?|ich arbeite (?:bei|für)(?: der)?|(?:ich bin|mein name ist|"
    r"hier ist)\b[^.!?\n]{0,40}\b(?:bei|von)"
    r"(?: der)?|nous sommes|je (?:dirige|travaille (?:chez|pour))|je (?:suis|"
    r"m['’]appelle)\b[^.!?\n]{0,40}\b(?:de|chez))"
    r"(?: la| the| der| die)?(?: (?:company|firma|société))?\s*$",
    re.IGNORECASE,
)


_HOLDS_IT = re.compile(
    r"\b(?:komplement[äa]r\w*|pers[öo]nlich haftende\w*(?: gesellschafter\w*)?|general partner|commandit[ée]\w*|"
    r"muttergesellschaft|parent company)\b[^\n]{0,30}$",
    re.IGNORECASE,
)
"""Before a company that a footer names because it holds the sender's."""


def companies(mail: Mail) -> Iterator[Candidate]:
    """Companies that the sender signs with or speaks for, told by their legal form or by the sender's domain."""
    for part in mail.speaking:
        for found in _COMPANY.finditer(mail.text, part.start, part.end):
            before = mail.text[max(part.start, found.start() - 80) : found.start()]
            if _HOLDS_IT.search(before):
                continue
            placed = mail.signed(found.start()) or _SELF.search(before) or _of_domain(found[0], mail.domains)
            yield _company(mail, *found.span(), Ground.PLACED if placed else Ground.UNPLACED)
        yield from _by_domain(mail, part)


def _by_domain(mail: Mail, part: Part) -> Iterator[Candidate]:
    """Pieces of the signature's lines that spell the domain of one of the sender's addresses."""
    for piece in re.finditer(r"[^\n|•·,/()]+", mail.text[part.signature : part.end]):
        bare = piece[0].strip(" >*-–\t")
        if "@" in bare or "www" in bare.lower() or "." in bare.strip(".") or not _of_domain(bare, mail.domains):
            continue
        if not _COMPANY.search(bare):
            at = mail.text.index(bare, part.signature + piece.start())
            yield _company(mail, at, at + len(bare), Ground.PLACED)


def _company(mail: Mail, start: int, end: int, ground: Ground) -> Candidate:
    value = " ".join(mail.text[start:end].split())
    if re.search(r"(?<![\w.])(?!Inc|Ltd|Corp)\w+\.$", value):  # the sentence's, not the legal form's
        value, end = value[:-1], end - 1
    return Candidate(value=value, start=start, end=end, ground=ground)


_SHORTEST_DOMAIN = 4


def _of_domain(name: str, domains: frozenset[str]) -> bool:
    """Whether a name, its legal form aside, is spelled by a domain: `Nordwind Lager GmbH`, `nordwind-lager.de`."""
    plain = _letters(re.sub(rf"[ ,]+{_LEGAL}$", "", name))
    spelled = {_letters(domain.rsplit(".", 1)[0].rsplit(".", 1)[-1]) for domain in domains}
    return len(plain) >= _SHORTEST_DOMAIN and plain in spelled


def _letters(text: str) -> str:
    plain = text.casefold()
    for letter, spelled in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("é", "e"), ("è", "e"), ("&", "und")):
        plain = plain.replace(letter, spelled)
    return re.sub(r"[^a-z0-9]", "", plain)
