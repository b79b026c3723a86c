"""Who speaks in a mail: which parts are the sender's, and the sender's name."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.extractors.legal import COMPANY, is_of_house, of_domain, plain_letters
from connectors.extractors.parts import CLOSING, EMAIL, Kind, Part, addresses, is_ours, is_talk, split
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
        ours: domains of our own house.
    """

    text: str
    parts: list[Part]
    speaking: list[Part]
    domains: frozenset[str] = frozenset()
    ours: tuple[str, ...] = ()

    def addressed(self, position: int) -> bool:
        """Whether a place is in an address of delivery and the like: on its line, or in the block that it heads."""
        above = self.text[:position].rpartition("\n\n")[2]
        rests = [above[heading.end() :] for heading in _ADDRESS.finditer(above)]
        return any("\n" not in rest or not rest.partition("\n")[0].strip() for rest in rests)

    def signed(self, position: int) -> bool:
        """Whether a place is in a signature of the sender's."""
        return any(part.signature <= position < part.end for part in self.speaking)


_ADDRESS = re.compile(
    r"^[>\s*]*(?:(?:abweichende )?(?:liefer|rechnungs|abhol|versand)(?:adresse|anschrift)|"
    r"(?:neue |abholung |lieferung )(?:bei|an)|"
    r"(?:ship|deliver|bill|invoice|sold)(?:ing|ed|y)? (?:to|address)|delivery address|billing address|"
    r"pick-?up (?:at|from)|"
    r"direcci[óo]n de env[íi]o|luogo di consegna|bezorgadres|adres (?:dostawy|do wysy[łl]ki|faktury)|factuuradres|"
    r"consignee|supplier|vendor|lieferant|verk[äa]ufer|adresse de (?:livraison|facturation)|fournisseur|"
    r"direcci[óo]n de entrega|indirizzo di consegna|afleveradres|leveradres)\b(?: ?\([^()\n]*\))?[ \t*]*(?::|$)",
    re.IGNORECASE | re.MULTILINE,
)


def read(text: str, ours: Sequence[str], known_address: str = "") -> Mail:
    """A text's parts, and those that are the sender's.

    Args:
        ours: domains of our own house.
        known_address: the sender's, if a form field or the envelope told it.
    """
    parts = split(text)
    speaking = [] if is_talk(text) else _speaking(text, parts, ours, known_address.lower())
    known = {known_address, *(address for part in speaking for address in addresses(text, part))}
    domains = {address.rpartition("@")[2].lower() for address in known if address and not at_home(address, ours)}
    return Mail(text, parts, speaking, frozenset(domain for domain in domains if domain not in _PROVIDERS), tuple(ours))


def _speaking(text: str, parts: list[Part], ours: Sequence[str], known_address: str) -> list[Part]:
    """The sender's parts: their own words, or those of the one mail that they only pass on.

    Quoted mails are never the sender's; forwarded ones are when what stands above them says
    nothing of who wrote it, or is our own house's. Where both could be, nobody is taken.
    """
    own = [part for part in parts if part.kind is Kind.OWN]
    forwarded = [part for part in parts if part.kind is Kind.FORWARDED and not is_ours(text, part, ours)]
    passed_on = any(is_ours(text, part, ours) or _signs_for_us(text, part, ours) for part in own)
    passed_on = passed_on or (len(forwarded) == 1 and _came_to_us(text, parts, forwarded[0], ours))
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


def _signs_for_us(text: str, part: Part, ours: Sequence[str]) -> bool:
    """Whether the company in a part's signature, with no address of another house, is our own."""
    signed = COMPANY.finditer(text, part.signature, part.end)
    return any(is_of_house(one[0], ours) for one in signed) and not _signs_elsewhere(text, [part], ours)


def _came_to_us(text: str, parts: list[Part], forwarded: Part, ours: Sequence[str]) -> bool:
    """Whether a forwarded mail went to our own house, and who forwards it signs with no address of another."""
    before = parts[parts.index(forwarded) - 1]
    went_to = [address for line in _TO.findall(text[before.end : forwarded.start]) for address in EMAIL.findall(line)]
    own = [part for part in parts if part.kind is Kind.OWN]
    return any(at_home(address, ours) for address in went_to) and not _signs_elsewhere(text, own, ours)


_TO = re.compile(r"^[>\s*]*(?:to|cc|an|kopie|[àa]|aan|do|para)\*?\s?:.*$", re.IGNORECASE | re.MULTILINE)


def _signs_elsewhere(text: str, parts: Sequence[Part], ours: Sequence[str]) -> bool:
    signed = [address for part in parts for address in EMAIL.findall(text[part.signature : part.end])]
    return any(not at_home(address, ours) for address in signed)


def _identified(text: str, part: Part) -> bool:
    """Whether the writer of a part gives an address or a number of their own."""
    signature = text[part.signature : part.end]
    return bool(EMAIL.search(signature) or re.search(r"(?:\+|\b0)[\d ()/.-]{7,}\d", signature))


_PROVIDERS = frozenset({
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "yahoo.de",
    "yahoo.fr", "icloud.com", "me.com", "aol.com", "gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de",
    "t-online.de", "freenet.de", "posteo.de", "mailbox.org", "proton.me", "protonmail.com", "orange.fr",
    "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "bluewin.ch", "btinternet.com", "mail.com", "hotmail.fr",
    "hotmail.de", "libero.it", "virgilio.it", "hotmail.it", "yahoo.it", "hotmail.es", "yahoo.es", "wp.pl",
    "onet.pl", "o2.pl", "interia.pl", "ziggo.nl", "hetnet.nl", "telenet.be", "skynet.be",
})  # fmt: skip
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
    r"customer|kunden\w*|hello|hi|dear|hallo|bonjour|all|everyone|everybody|kind|best|regards|gr[üu]e?(?:ß|ss)\w*|"
    r"groet\w*|saludos?|saluti|salutations|hilsen|h[äa]lsning\w*|cumprimentos|pozdrav\w*|pozdrow\w*|"
    r"buyer|senior|junior|lead|planner|analyst|coordinator|specialist|administrat\w*|controller|clerk|"
    r"representative|agent|sachbearbeit\w*|assisten\w*|disponent\w*|referent\w*|beauftragte\w*|acheteu\w*|inko(?:per|op)|"
    r"kierowni\w*|dyrektor\w*|dzia[łl]\w*|magazyn\w*|w[łl]a[śs]ciciel\w*|prezes\w*|sklep\w*|specjalist\w*|zakup\w*|"
    r"jef[ea]|gerente|director\w*|encargad\w*|equipo|administraci[óo]n|responsabile|titolare|direttor\w*|direttrice|"
    r"direct(?:eur|rice)|eigenaar|eigenaresse|verkoop|administratie|magazijn\w*|afdeling|bedrijfsleider|almac[ée]n|"
    r"geachte|beste|buongiorno|hola|estimad\w*|gentil\w*|szanown\w*|panie|pani|pan|"
    r"compras|acquisti|ufficio|famil\w+|eheleute|firma|filiale|"
    r"blumen|b[äa]ckerei|metzgerei|autohaus|hotel|h[ôo]tel|gasthof|gasthaus|restaurant|caf[ée]|praxis|kanzlei|weingut|"
    r"verlag|spedition|tischlerei|schreinerei|m[öo]bel\w*|reifen|\w*handel|\w*technik|studio|school|schule|museum|"
    r"archiv\w*|verein|stiftung|foods?|farms?|bakery|brewery|trading|transports?|suppl\w+|solutions?|systems?|hardware|"
    r"tools|parts|stores?|market|boutique|librairie|boulangerie|garage|domaine|traders|bros|brothers|"
    r"apothek\w*|architekt\w*|notar\w*|steuerberat\w*|rechtsan\w*|\w*meister(?:in)?|pfarrer\w*|pastor\w*|"
    r"revd?|reverend|father|sister|captain|capt|colonel|col|sergeant|lawyer|architect|pharmacist|docteur|ma[îi]tre|"
    r"dott(?:ore|oressa|\.?ssa)?|avv|geom|arch|mag|mgr|bc|"
    r"thanks|danke|merci|phone|tel|mobile?|email|mail|website|from|the|und|and|et|our|your|consultant|owner|"
    r"inhaber\w*|"
    r"founder|partner|president|supply|chain|it|technology|floor)\b",
    re.IGNORECASE,
)
_SAYS_NAME = re.compile(
    r"(?:\bmy name is|\bmy name['’]s|\bi am|\bi['’]m|\bthis is|\bmein name ist|\bich hei(?:ß|ss)e|"
    r"\bich bin(?: die| der)?|"
    r"\bje m['’]appelle|\bje suis|\bmon nom est|\bme llamo|\bhier (?:ist|spricht)|"
    r"\bmi nombre es|\bmi chiamo|\bmijn naam is|\bnazywam si[ęe])\s+",
    re.IGNORECASE,
)


def names(mail: Mail) -> Iterator[Candidate]:
    """Names by which the sender introduces themselves, signs, or is called in the header of what is forwarded."""
    for part in mail.speaking:
        signed = _as_addressed(mail, list(signed_names(mail.text, part)))
        for start, end in (*introductions(mail.text, part), *signed, *_header_name(mail, part)):
            value = normalised(FieldType.NAME, mail.text[start:end], _PLAIN)
            if value and not of_domain(value, mail.domains) and not _family_first(value, mail):
                yield Candidate(value=value, start=start, end=end, ground=Ground.PLACED)


def _as_addressed(mail: Mail, signed: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of the names that a signature begins with, those that the sender's addresses spell most of; else all."""
    known = [plain_letters(one.partition("@")[0]) for part in mail.speaking for one in addresses(mail.text, part)]

    def spelled(span: tuple[int, int]) -> float:
        words = [plain_letters(word) for word in mail.text[slice(*span)].split()]
        return max((sum(len(word) > 1 and word in one for word in words) / len(words) for one in known), default=0)

    most = max(map(spelled, signed), default=0)
    return [span for span in signed if spelled(span) == most]


def _family_first(name: str, mail: Mail) -> bool:
    """Whether an address of the sender's spells a name the other way round: `Rossi Carlo`, `c.rossi@`."""
    words = [plain_letters(word) for word in name.split()]
    if len(words) != _FIRST_AND_FAMILY or not all(words):
        return False
    family, first = words
    known = {address.partition("@")[0] for part in mail.speaking for address in addresses(mail.text, part)}
    return any(
        re.fullmatch(rf"(?:{first}|{first[0]})[._-]?{family}", ".".join(map(plain_letters, re.split(r"[._-]", one))))
        for one in known
    )


_FIRST_AND_FAMILY = 2

_OTHERS = re.compile(
    rf"(?P<name>{_PERSON.pattern}|(?:Herrn?|Frau|Mr|Mrs|Ms|Mme|M)\.? {_WORD}|"
    rf"{_WORD}(?= \())(?:[\s,(:–-]+(?:[^()\n]{{0,40}}[,;/]\s*)?|[ ,(:–-]+(?i:tel|phone|telefon|mobile?|handy)\b[ .:]*)$"
)


_TITLED = re.compile(
    rf"(?P<greeting>\b(?i:dear|hi|hello|hallo|hey|moin|guten (?:tag|morgen|abend)|geehrte[rs]?|lieber?|bonjour|cher|"
    rf"ch[èe]re)\s+)?(?<!\w)(?:Herrn?|Hr\.|Frau|Mr|Mrs|Ms|Mme|Mlle|M\.|z\. ?Hd\.?|[Aa]ttn|c/o|FAO)[.:]? "
    rf"(?:(?:Herrn?|Frau|Mr\.?|Mrs\.?|Ms\.?|Dr\.) )*(?P<name>{_WORD}(?: {_WORD}){{0,2}})"
)


def somebody_else(mail: Mail, before: str) -> bool:
    """Whether what stands before an address or a number names a person who is not the sender."""
    own = {one.value.casefold() for one in names(mail)}
    words = {word for name in own for word in name.split()}
    for titled in _TITLED.finditer(before):
        if not titled["greeting"] and words.isdisjoint(titled["name"].casefold().split()):
            return True
    found = _OTHERS.search(before)
    return found is not None and normalised(FieldType.NAME, found["name"], _PLAIN).casefold() not in own


def introductions(text: str, part: Part) -> Iterator[tuple[int, int]]:
    """Where `my name is …` and the like are followed by a whole name."""
    for said in _SAYS_NAME.finditer(text, part.start, part.signature):
        found = _PERSON.match(text, said.end(), part.end)
        works = COMPANY.search(text, said.end(), part.end)
        if found and works and works.start() < found.end():  # `Solène Garnier de Garnier Cycles SARL`
            found = _PERSON.match(text, said.end(), _cut(found, part.end))
        if found and "\n" not in found[0] and _is_name(found[0]):
            yield found.span()


def _cut(name: re.Match[str], otherwise: int) -> int:
    """Where a name ends that runs on into `de` or `von` and a company."""
    joined = list(re.finditer(rf"\s(?:{_PARTICLES})\s", name[0]))
    return name.start() + joined[-1].start() if joined else otherwise


_BESIDE = re.compile(r"\s*[,|•·/(]|\s[-–]\s")
"""What parts a name from the rest of its line."""


def signed_names(text: str, part: Part) -> Iterator[tuple[int, int]]:
    """Where the signature begins with a whole name; with two, as a closing formula may look like one."""
    start, seen = part.signature, 0
    for line in text[part.signature : part.end].split("\n"):
        bare = line.strip().lstrip("> ").strip()
        closing = CLOSING.match(bare) or CLOSING.match(_BESIDE.split(bare)[0])
        signed = (closing["rest"] if closing else bare).strip(" *,-–—_")
        candidate = _ON_BEHALF.sub("", _BESIDE.split(signed)[0]).strip()
        if _is_name(candidate):
            at = text.index(candidate, start)
            yield at, at + len(candidate)
            seen += 1
        if candidate and (seen != 1 or not _is_name(candidate)):
            return
        start += len(line) + 1


_FAMILY_FIRST = re.compile(r"(?P<family>[^\W\d_a-zß-öø-ÿ]{3,}) (?!(?P=family))[^\W\d_a-zß-öø-ÿ][a-zß-öø-ÿ]+$")
"""`DUPONT Marie`: which of them is the first name is told, but not in the order in which names are written."""


_NO_BEGINNING = re.compile(
    r"[^\W\d_a-zß-öø-ÿ]{2,3} (?=.*[a-z])|(?i:das|der|die|the|le|la|les|el|los|il|het|ihr|ihre|your|unser|alles)\b"
)
"""`DI Valentin Huber`, `Das Sekretariat`."""


def _is_name(candidate: str) -> bool:
    whole = _PERSON.fullmatch(candidate) or (candidate.isupper() and _PERSON.fullmatch(candidate.title()))
    return bool(whole) and not (
        _FAMILY_FIRST.match(candidate)
        or _NO_BEGINNING.match(candidate)
        or _NO_PERSON.search(candidate)
        or country_named(candidate)
        or COMPANY.search(candidate)
    )


_ON_BEHALF = re.compile(r"^(?:i\. ?[AV]\.|ppa\.|gez\.|im auftrag|in vertretung|on behalf of)(?:\s+|$)", re.IGNORECASE)


def _header_name(mail: Mail, part: Part) -> Iterator[tuple[int, int]]:
    """Where the header of a forwarded mail names its author."""
    header = mail.text[slice(*part.header)]
    found = re.match(
        rf"^[>\s]*\*?(?:From|Von|De|Da|Van|Od)\*?\s?:\*?\s*[\"']?({_PERSON.pattern})[\"']?\s*(?:<|\[|\(|$)", header
    )
    if found and _is_name(found[1]):
        yield part.header[0] + found.start(1), part.header[0] + found.end(1)
