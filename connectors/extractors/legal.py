"""How companies are called: their legal forms in several countries, and names that end in one."""

import re

_GERMAN = (
    r"(?:gGmbH|GmbH|mbH|AG|SE|UG(?: ?\(haftungsbeschr(?:ä|ae)nkt\))?|Ges\.? ?m\. ?b\. ?H\.)"
    r"(?: ?(?:&|u\.|und|\+) ?Co\.? ?(?:KGaA|KG|OHG|oHG)(?!\w))?|KGaA|KG|OHG|oHG|OG|GbR|eG|"
    r"e\.? ?K(?:fm|fr)?\.?|e\.? ?V\.?|PartG(?: ?mbB)?|Genossenschaft"
)
_ENGLISH = r"(?:\(Pty\)|Pty\.?|Pte\.?|Co\.,?) Ltd\.?|Limited|Ltd\.?|LLC|LLP|Inc\.?|Corp\.?|PLC|[Pp]lc|DAC|FZE|FZCO"
_ROMANCE = (
    r"S\.?A\.?R\.?L\.?|S\.?A\.?S\.?(?:U\.?)?|EURL|SCEA|SNC|S\.?p\.?A\.?|S\.?r\.?l\.?(?:s\.?)?|S\.?A\.?|"
    r"S\.?L\.?(?:U\.?)?|Ltda\.?|Lda\.?"
)
_OTHER = (
    r"B\.?V\.?(?:B\.?A\.?)?|N\.?V\.?|V\.?O\.?F\.?|CVBA|Oy(?:j| Ab)?|OÜ|UAB|SIA|ApS|A/S|I/S|ASA?|AB|HB|"
    r"Kft\.?|Zrt\.?|Bt\.?|s\. ?r\. ?o\.|a\. ?s\.|Sp\. ?z ?o\. ?o\.|d\. ?o\. ?o\.|A\.Ş\."
)
LEGAL = rf"(?:{_GERMAN}|{_ENGLISH}|{_ROMANCE}|{_OTHER})"

_PIECE = (
    r"(?:(?:[^\W\d_a-zß-öø-ÿ]\.)+|(?:[dl]['’])?[^\W\d_a-zß-öø-ÿ][\w&'’+-]*|"
    r"&|und|and|\+|de|des|du|et|von|of|\d+)"
)
_NO_START = (
    r"(?!(?:We|I|At|From|Wir|Die|Der|Das|Bei|Von|Dear|Hello|Hi|Hallo|Our|Unsere?|Für|For|Nous|Chez|And|Und|"
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
_GOES_ON = re.compile(rf"[ ,]{{0,2}}(?:(?:&|u\.|und|\+) ?Co\b|{LEGAL}(?!\w)|(?:[^\W\d_]\.){{2}})")


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether a company's name seems to be all of it: `Markt GmbH` of `Haus am Markt GmbH` is not."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    return not (_CUT_OFF.search(line) or _GOES_ON.match(text, end))


_ABBREVIATED = re.compile(r"(?<!\w)(?:Inc|Ltd|Corp|Co|Kft|Zrt|Bt|Lda|Ltda|Pty|Pte|K|Kfm|Kfr|V)\.$")


def without_full_stop(name: str) -> str:
    """A name without the full stop of the sentence that it ends, if that is not the legal form's."""
    dotted = re.search(r"(?<![\w.])\w+\.$", name)
    return name[:-1] if dotted and not _ABBREVIATED.search(name) else name


_SHORTEST_DOMAIN = 4


def of_domain(name: str, domains: frozenset[str]) -> bool:
    """Whether a name, its legal form aside, is spelled by a domain: `Nordwind Lager GmbH`, `nordwind-lager.de`."""
    plain = _letters(re.sub(rf"[ ,]+{LEGAL}$", "", name))
    spelled = {_letters(domain.rsplit(".", 1)[0].rsplit(".", 1)[-1]) for domain in domains}
    return len(plain) >= _SHORTEST_DOMAIN and plain in spelled


def _letters(text: str) -> str:
    plain = text.casefold()
    for letter, spelled in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("é", "e"), ("è", "e"), ("&", "und")):
        plain = plain.replace(letter, spelled)
    return re.sub(r"[^a-z0-9]", "", plain)
