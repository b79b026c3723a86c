"""Whether a number beside a word is the count of it, and if of people, of all who work with the sender."""

import re

from connectors.extractors.legal import COMPANY

_PEOPLE = re.compile(
    r"(?:employee|staff|people|person|headcount|colleague|worker|mitarbeit|besch[äa]ftigt|angestellt|leute|kolleg|"
    r"salari|collaborat|effectif|medewerker|werknemer|emplead|dipendent|colaborador|funcion[áa]ri)\w*",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\b(?:and|und|et|en|y|e|plus|sowie)\b", re.IGNORECASE)
_OURS = re.compile(
    r"\b(?:we|we['’]\w+|our|us|ours|wir|unser\w*|uns|nous|notre|nos|wij|we|ons|onze|somos|tenemos|nuestr\w+|siamo|"
    r"abbiamo|nostr\w+|temos|noss\w+|employ|employs|besch[äa]ftigen|company (?:of|with)|firm (?:of|with)|"
    r"(?:familien)?(?:betrieb|unternehmen|firma) mit|entreprise de|soci[ée]t[ée] de)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\b(?:jahren? (?:bei|als)|years (?:at|with|in)|ans chez|a[ñn]os en|anni (?:in|presso)|jaar bij|lat w|formerly|"
    r"previously|ehemals|fr[üu]her\w*|there|they|their|them|client\w*|customer\w*|mutter\w*|mother|parent|kunde\w*|deren|dort|konzern\w*|"
    r"group|gruppe|ils|leur|neighbou?r\w*|nachbar\w*|competitor\w*|supplier\w*|lieferant\w*|partner\w*|led|managed|schicht|shift|volunteers|ehrenamtlich\w*|aushilfen)\b",
    re.IGNORECASE,
)
_OF_NAMED = re.compile(
    r"[^\W\d_a-zß-öø-ÿ][\w.]* (?:\((?:[^()\d]*[;,] )?|(?:has|hat|z[äa]hlt|besch[äa]ftigt|compte|emploie|heeft|tiene|ha|"
    r"har|tem) )(?:\w+\.? )?$"
)
"""Before a count that is told of somebody by name: `Drewnomax (410 employees)`, `Coastline has 1,200`."""
_PART = re.compile(
    r"\b(?:for|f[üu]r|pour|voor|para|per|davon|of (?:which|whom|them)|dont|including|inkl\.?|nur|only|another|"
    r"further|weitere\w*|noch|hire|einstellen|train\w*|schul\w*)\s+(?:\w+\s+)?$",
    re.IGNORECASE,
)
_FEW_LETTERS = 15
"""Letters of `Size: about 120 employees` before a count that ends its line, about."""
_ENDS = re.compile(r"(?<!ca)(?<!approx)(?<!etwa)(?<!rd)[.!?;](?=\s|$)|\n\s*\n", re.IGNORECASE)


def is_meant(text: str, cue: tuple[int, int], number: tuple[int, int]) -> bool:
    """Whether a number counts what a cue names: `3 staff and 120 volunteers` are 3 staff.

    People are counted only where the sender says it of all of their own house: not who is to be
    trained, who works at a customer's, or who is on shift.
    """
    between = text[cue[1] : number[0]] if number[0] >= cue[1] else text[number[1] : cue[0]]
    if _JOINED.search(between):
        return False
    if not _PEOPLE.fullmatch(text[slice(*cue)]):
        return True
    before = _ENDS.split(text[max(0, number[0] - 200) : number[0]])[-1]
    after = _JOINED.split(re.split(r"[,;.!?)\n]", text[max(cue[1], number[1]) : number[1] + 100])[0])[0]
    if _PART.search(before) or _OTHERS.search(before) or _OTHERS.search(after):
        return False
    told = _OURS.search(before) or _OURS.search(after) or _OF_NAMED.search(before) or COMPANY.search(before)
    line = before.rpartition("\n")[2]
    return bool(told) or (not after.strip() and sum(map(str.isalpha, line)) <= _FEW_LETTERS)
