"""How companies are called: their legal forms in several countries, and names that end in one."""

import re
import unicodedata
from collections.abc import Sequence

_GERMAN = (
    r"(?:gGmbH|GmbH|mbH|AG|SE|UG(?: ?\(haftungsbeschr(?:ä|ae)nkt\))?|Ges\.? ?m\. ?b\. ?H\.)"
    r"(?: ?(?:&|u\.|und|\+) ?Co\.? ?(?:KGaA|KG|OHG|oHG)(?!\w))?|KGaA|KG|OHG|oHG|OG|GbR|eG|"
    r"e\.? ?K(?:fm|fr)?\.?|e\.? ?V\.?|PartG(?: ?mbB)?|Genossenschaft"
)
_ENGLISH = r"(?:\(Pty\)|Pty\.?|Pte\.?|Co\.,?) Ltd\.?|Limited|Ltd\.?|LLC|LLP|Inc\.?|Corp\.?|PLC|[Pp]lc|DAC|FZE|FZCO"
_ROMANCE = (
    r"S\.?A\.?R\.?L\.?|S\.?A\.?S\.?(?:U\.?)?|EURL|SCEA|SNC|S\.?p\.?A\.?|S\.?r\.?l\.?(?:s\.?)?|S\.?A\.?|"
    r"S\.?L\.?(?:U\.?)?|Ltda\.?|Lda\.?|S\. ?[Cc]oop\.?|Soc\. ?[Cc]oop\.?|S\.? ?à ?r\.? ?l\.?|S\.?n\.?c\.?|S\.?a\.?s\.?"
)
_OTHER = (
    r"B\.?V\.?(?:B\.?A\.?)?|N\.?V\.?|V\.?O\.?F\.?|CVBA|Oy(?:j| Ab)?|OÜ|UAB|SIA|ApS|A/S|I/S|ASA?|AB|HB|"
    r"Kft\.?|Zrt\.?|Bt\.?|s\. ?r\. ?o\.|a\. ?s\.|Sp\. ?z ?o\. ?o\.(?: ?[Ss]p\. ?[kj]\.)?|[Ss]p\. ?[kjp]\.|"
    r"d\. ?o\. ?o\.|A\.Ş\."
)
LEGAL = rf"(?:{_GERMAN}|{_ENGLISH}|{_ROMANCE}|{_OTHER})"

_PIECE = (
    r"(?:(?:[^\W\d_a-zß-öø-ÿ]\.)+|(?:[dl]['’])?[^\W\d_a-zß-öø-ÿ][\w&'’+-]*|"
    r"&|und|and|\+|de|des|du|et|von|of|\d+|\([^\W\d_a-zß-öø-ÿ][\w ]{1,20}\))"
)
_NO_START = (
    r"(?!(?:We|I|At|From|Wir|Die|Der|Das|Bei|Von|Dear|Hello|Hi|Hallo|Our|Unsere?|Für|For|Nous|Chez|And|Und|"
    r"Ihre?|Eure?|Euer|Your|Votre|Vos|Su|Vostr[oi]|Uw|Jullie|"
    r"Firma|Company)\b)"
)
COMPANY = re.compile(
    rf"(?<![\w&.@'’-]){_NO_START}[^\W_a-zß-öø-ÿ][\w&'’+-]*(?:[ ]{_PIECE}){{0,5}}[ ,]{{1,2}}{LEGAL}(?![\w])"
)
"""A name of capitalised words with a legal form at its end."""

_CUT_OFF = re.compile(
    r"[^\W\d_]+[ ](?:am|an|im|in|zum|zur|vom|aus|auf|hinter|vor|unter|au|aux|sur|en|les|le|la|los|las|el|il|del|della|"
    r"di|do|da|y|e|i|a|og|och|ja|op|het|the|on|by)[ ]$"
)
_GOES_ON = re.compile(
    rf"[ ,]{{0,2}}(?:(?:&|u\.|und|\+) ?Co\b|{LEGAL}(?!\w)|(?:[^\W\d_]\.){{2}}|\([^()\n]{{1,30}}\)[ ,]{{1,2}}{LEGAL})"
)


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether a company's name seems to be all of it: `Markt GmbH` of `Haus am Markt GmbH` is not."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    return not (_CUT_OFF.search(line) or _GOES_ON.match(text, end))


_ABBREVIATED = re.compile(r"(?<!\w)(?:Inc|Ltd|Corp|Co|Coop|coop|Kft|Zrt|Bt|Lda|Ltda|Pty|Pte|K|Kfm|Kfr|V)\.$")


def without_full_stop(name: str, after: str = "") -> str:
    """A name without the full stop of the sentence that it ends, if that is not the legal form's.

    Args:
        after: what follows it. `Ltd` is written with a stop and without, so one before a new sentence is its end.
    """
    dotted = re.search(r"(?<![\w.])\w+\.$", name)
    ends = name.endswith("Ltd.") and re.match(r" [^\W\d_a-z]", after)
    return name[:-1] if dotted and (ends or not _ABBREVIATED.search(name)) else name


_SEPARATED = r"\n|•·;–—"


def fills_its_place(text: str, start: int, end: int) -> bool:
    """Whether a name fills a line or a piece of one, so that its first and last word are marked."""
    before, after = text[:start].rstrip(" >*\t"), text[end:]
    return bool(re.search(rf"(?:\A|[{_SEPARATED},(/:]|\s-)\Z", before)) and bool(
        re.match(rf"[ *\t]*(?:\Z|[{_SEPARATED},()/]|-\s)", after)
    )


_SHORTEST_DOMAIN = 4


def is_of_house(name: str, domains: Sequence[str]) -> bool:
    """Whether a company's name begins with a domain's: `Nordwind Lager GmbH`, `nordwind.de`."""
    spelled = map(_house, domains)
    return any(len(one) >= _SHORTEST_DOMAIN and plain_letters(name).startswith(one) for one in spelled)


def of_domain(name: str, domains: frozenset[str]) -> bool:
    """Whether a name, its legal form aside, is spelled by a domain: `Nordwind Lager GmbH`, `nordwind-lager.de`."""
    plain = plain_letters(re.sub(rf"[ ,]+{LEGAL}$", "", name))
    return len(plain) >= _SHORTEST_DOMAIN and plain in map(_house, domains)


def _house(domain: str) -> str:
    """What a domain calls its house: `nordwindlager` of `mail.nordwind-lager.de`."""
    return plain_letters(domain.rsplit(".", 1)[0].rsplit(".", 1)[-1])


def plain_letters(text: str) -> str:
    """The letters and digits of a text as domains and addresses spell them: `Müller & Ö.`, `muellerundoe`."""
    plain = text.casefold()
    for letter, spelled in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("&", "und"), ("ł", "l"), ("ø", "o")):
        plain = plain.replace(letter, spelled)
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", plain))
