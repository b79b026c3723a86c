"""Tells what a mail's sender wrote now from what they quoted, forwarded or signed with.

Works line by line in linear time. The expressions of mail-parser-reply for whole mails take
minutes on a hostile line and cut a sentence that begins with "Thanks,"; its tables of closings
serve, each held against one short line.
"""

import re
from dataclasses import dataclass

from mailparser_reply.constants import MAIL_LANGUAGES

from connectors.mail.headers import NOBODY, Address, address_in

LONGEST_QUOTED = 20_000
"""Characters of quoted text that are kept."""

LONGEST_TAKEN_APART = 1_000_000
"""Characters; a longer text stays whole."""

_LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
_FORWARDS = re.compile(r"\s*(?:\[[^\]]{0,80}\]\s*)?(?:fwd?|wg|tr|rv|doorst)\s*:", re.IGNORECASE)
_FORWARD_LINE = re.compile(
    r"[->*\s]*(?:begin |anfang der )?"
    r"(?:forwarded (?:message|mail)|weitergeleitete[nr]? (?:nachricht|e-?mail)|message transféré|mensaje reenviado"
    r"|messaggio inoltrato|doorgestuurd bericht)\b[^.!?]{0,120}",
    re.IGNORECASE,
)
_ORIGINAL_LINE = re.compile(
    r"\s*-{2,}\s*(?:original message|original appointment|ursprüngliche nachricht|originalnachricht|message d'origine"
    r"|mensaje original|messaggio originale|oorspronkelijk bericht)\s*-{2,}\s*",
    re.IGNORECASE,
)
_WROTE = re.compile(r"\b(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef)\b", re.IGNORECASE)
_HEADER_NAMES = {
    "from": "from|von|de|da|van",
    "sent": "sent|date|gesendet|datum|envoyé|enviado|fecha|inviato|data|verzonden",
    "to": "to|an|à|para|a|aan",
    "subject": "subject|betreff|objet|asunto|oggetto|onderwerp",
    "cc": "cc|kopie",
}
_HEADER_LINE = re.compile(
    r"[>*\s]*+(?:" + "|".join(f"(?P<{header}>{names})" for header, names in _HEADER_NAMES.items()) + r")\s?:[*\s]*+",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*[_-]{20,}\s*")
_HEADER_WINDOW = 10
"""Lines in which a quoted header stands: five headers, their values perhaps on lines of their own."""

LONGEST_ATTRIBUTION = 300
"""Characters of a line such as "On 2 March Ann wrote:", which mailers may break into three."""

_CLOSINGS = "|".join(
    phrase.rstrip(",") for language in _LANGUAGES for phrase in MAIL_LANGUAGES[language].get("signatures", ()) if phrase
)
_MORE_CLOSINGS = (
    r"thanks|thank you|many thanks|cheers|yours (?:sincerely|faithfully|truly)|sincerely"
    r"|mit (?:besten|freundlichem|herzlichen|lieben|vielen) gr(?:ü|ue)(?:ß|ss)(?:en)?|(?:herzliche|schöne) grüße"
    r"|mfg|vg|lg|danke|vielen dank|hochachtungsvoll"
)
_AFTER_CLOSING = (
    r"(?:[,.!\s–-]*(?:again|in advance|so much|very much|im voraus|(?:and|und|&|/) [^.?!]{2,30}"
    r"|(?:aus|from) [^.?!]{2,20}|(?-i:[A-ZÄÖÜÀ-Þ][\w.'’-]*(?: [A-ZÄÖÜÀ-Þ][\w.'’-]*){0,3})))?[,.!\s]*"
)
_CLOSING = re.compile(rf"(?:{_CLOSINGS}|{_MORE_CLOSINGS}){_AFTER_CLOSING}", re.IGNORECASE)
_SENT_FROM = re.compile(
    r"(?:sent from (?:my|outlook|mail for)|get outlook for|gesendet (?:von|mit)|von meinem .{2,30} gesendet"
    r"|diese nachricht wurde von|envoyé de mon|enviado desde mi|inviato da|verstuurd vanaf)\b.{0,80}",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"p\.?\s?s\.?\s?[:.\s].*", re.IGNORECASE)
LONGEST_CLOSING = 60
LONGEST_NAME_LINE = 60
LONGEST_SIGNATURE = 30
"""Lines with text: what is longer is no signature."""


@dataclass(frozen=True)
class Written:
    """A mail's text, taken apart.

    Attributes:
        text: what is new, and what is forwarded; never empty where there is any text.
        letter: the same with the sender's own signature where it stands, above what is forwarded.
        signature: the sender's own.
        quoted: the rest.
        forwarded_from: whose message is forwarded, if it says so.
    """

    text: str
    letter: str
    signature: str = ""
    quoted: str = ""
    forwarded_from: Address = NOBODY


def forwards(subject: str) -> bool:
    """Whether a subject says that its mail forwards another."""
    return _FORWARDS.match(subject) is not None


def taken_apart(text: str, subject: str) -> Written:
    """What the sender of `text` wrote, signed, quoted and forwarded."""
    if len(text) > LONGEST_TAKEN_APART:
        return Written(text, text)
    lines = [line.rstrip() for line in text.replace("\xa0", " ").split("\n")]
    own: list[str] = []
    signature: list[str] = []
    quoted: list[str] = []
    start = 0
    while start < len(lines):
        end = _next_border(lines, start)
        segment, signed = _signed(lines[start:end])
        own += [*segment, ""]
        signature += signed
        if end == len(lines):
            break
        if _is_forward(lines, end, subject, own):
            return _forwarding(own, signature, quoted, lines[end:])
        start = _after_quoted(lines, end)
        quoted += lines[end:start]
    if not _filled(own):  # "Thanks, Ann" alone, or a mail that only quotes
        own, signature, quoted = (signature, [], quoted) if signature else (_unmarked(quoted), [], [])
    letter = _joined([*own, "", *signature])
    return Written(_joined(own), letter, _joined(signature), _joined(quoted)[:LONGEST_QUOTED])


def _forwarding(own: list[str], signature: list[str], quoted: list[str], forwarded: list[str]) -> Written:
    passed_on = _unmarked(forwarded)
    text = f"{_joined(own)}\n\n{_joined(passed_on)}".strip()
    letter = _joined([*own, "", *signature, "", *passed_on])
    return Written(text, letter, _joined(signature), _joined(quoted)[:LONGEST_QUOTED], _sender(passed_on))


def _next_border(lines: list[str], start: int) -> int:
    """The first line from `start` on that is not the sender's own; the count of lines if all are."""
    for number in range(start, len(lines)):
        line = lines[number]
        if line.startswith(">") or _FORWARD_LINE.fullmatch(line) or _ORIGINAL_LINE.fullmatch(line):
            return number
        if _attribution(lines, number) or _header_block(lines, number):
            return number
    return len(lines)


def _is_forward(lines: list[str], number: int, subject: str, own: list[str]) -> bool:
    """Whether the sender passes on what begins at a line; a copy below nothing of their own is passed on too."""
    if forwards(subject) or _FORWARD_LINE.fullmatch(lines[number]):
        return True
    copied = _ORIGINAL_LINE.fullmatch(lines[number]) or _header_block(lines, number)
    return bool(copied) and not _filled(own)


def _after_quoted(lines: list[str], number: int) -> int:
    """Where the sender may go on after the quoted text that begins at a line."""
    if (taken := _attribution(lines, number)) or lines[number].startswith(">"):
        below = number + taken
        while below < len(lines) and not lines[below].strip():
            below += 1
        if below < len(lines) and lines[below].startswith(">"):
            while below < len(lines) and lines[below].startswith(">"):
                below += 1
            return below
    return len(lines)  # nothing marks where a quoted header's or attribution's text ends


def _attribution(lines: list[str], number: int) -> int:
    """Lines of an attribution that begins at a line; 0 if none does.

    It tells a date or an address: "and then Ann wrote:" is the sender's own.
    """
    if not lines[number].strip():
        return 0
    for count in (1, 2, 3):
        joined = " ".join(lines[number : number + count])
        if len(joined) > LONGEST_ATTRIBUTION or (count > 1 and not lines[number : number + count][-1].strip()):
            return 0
        if joined.endswith(":") and _WROTE.search(joined) and re.search(r"\d|@", joined):
            return count
    return 0


def _header_block(lines: list[str], number: int) -> bool:
    """Whether a quoted mail's header begins at a line: sender and subject, and date or recipient."""
    number += _RULE.fullmatch(lines[number]) is not None and number + 1 < len(lines)
    is_header = _HEADER_LINE.match(lines[number]) is not None
    if not is_header or (number and _HEADER_LINE.match(lines[number - 1])):
        return False
    found = [_HEADER_LINE.match(line) for line in lines[number : number + _HEADER_WINDOW]]
    there = {header.lastgroup for header in found if header}
    return {"from", "subject"} <= there and bool(there & {"sent", "to"})


def _sender(lines: list[str]) -> Address:
    """Who a forwarded mail's header says that it is from; the value may stand on the next line."""
    for number, line in enumerate(lines[: 2 * _HEADER_WINDOW]):
        header = _HEADER_LINE.match(line)
        if header and header["from"]:
            return address_in(line[header.end() :] or "".join(lines[number + 1 : number + 2]))
    return NOBODY


def _signed(lines: list[str]) -> tuple[list[str], list[str]]:
    """A segment's text, and its signature; a postscript below it is text."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    for number in filled[-LONGEST_SIGNATURE:]:
        if _begins_signature(lines, number, lines[number].strip()):
            below = next((at for at in range(number, len(lines)) if _POSTSCRIPT.fullmatch(lines[at])), len(lines))
            return lines[:number] + lines[below:], lines[number:below]
    return lines, []


def _begins_signature(lines: list[str], number: int, line: str) -> bool:
    if line == "--" or (len(line) <= 2 * LONGEST_CLOSING and _SENT_FROM.fullmatch(line)):
        return True
    if len(line) > LONGEST_CLOSING or not _CLOSING.fullmatch(line):
        return False
    following = next((at.strip() for at in lines[number + 1 :] if at.strip()), "")
    return not following or following == "--" or _is_name(following) or bool(_SENT_FROM.fullmatch(following))


def _is_name(line: str) -> bool:
    """Whether a line may be a name, and is no sentence."""
    words = line.split()
    capitals = sum(not word[0].islower() for word in words)
    return len(line) <= LONGEST_NAME_LINE and not line.endswith(("?", "!", ":", ",")) and 2 * capitals >= len(words)


def _unmarked(lines: list[str]) -> list[str]:
    """Lines without one level of quote marks, where most have them."""
    filled = _filled(lines)
    marked = [line for line in filled if line.startswith(">")]
    if 2 * len(marked) < len(filled):
        return lines
    return [line.removeprefix(">").removeprefix(" ") for line in lines]


def _filled(lines: list[str]) -> list[str]:
    return [line for line in lines if line.strip()]


def _joined(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
