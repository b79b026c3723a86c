"""The company that a sender works for."""

import re
from collections.abc import Iterator

from connectors.extractors.legal import COMPANY, fills_its_place, is_of_house, is_whole, of_domain, without_full_stop
from connectors.extractors.parts import Part
from connectors.extractors.senders import Mail, signed_names
from domain.extraction import Candidate, Ground

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
        for found in COMPANY.finditer(mail.text, part.start, part.end):
            before = mail.text[max(part.start, found.start() - 80) : found.start()]
            ours = is_of_house(found[0], mail.ours)
            if ours or _HOLDS_IT.search(before) or not is_whole(mail.text, *found.span()):
                continue
            signed = mail.signed(found.start()) and not mail.addressed(found.start())
            spoken = signed or _SELF.search(before) or of_domain(found[0], mail.domains)
            marked = signed and fills_its_place(mail.text, *found.span())
            ground = Ground.PLACED if marked else Ground.SPOKEN if spoken else Ground.UNPLACED
            yield _company(mail, *found.span(), ground)
        yield from _by_domain(mail, part)


def _by_domain(mail: Mail, part: Part) -> Iterator[Candidate]:
    """Pieces of the signature's lines that spell the domain of one of the sender's addresses.

    A name that they sign with is none: whether `Anna Keller` of `anna-keller.example` is also what
    the company is called, nothing tells.
    """
    people = {mail.text[start:end] for start, end in signed_names(mail.text, part)}
    for piece in re.finditer(r"[^\n|•·,/()]+", mail.text[part.signature : part.end]):
        bare = piece[0].strip(" >*-–\t")
        if "@" in bare or "www" in bare.lower() or "." in bare.strip(".") or not of_domain(bare, mail.domains):
            continue
        at = mail.text.index(bare, part.signature + piece.start())
        if bare not in people and not COMPANY.search(bare) and is_whole(mail.text, at, at + len(bare)):
            yield _company(mail, at, at + len(bare), Ground.SPOKEN)


def _company(mail: Mail, start: int, end: int, ground: Ground) -> Candidate:
    value = " ".join(mail.text[start:end].split())
    bare = without_full_stop(value, mail.text[end : end + 2])
    return Candidate(value=bare, start=start, end=end - len(value) + len(bare), ground=ground)
