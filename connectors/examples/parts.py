"""What a message is made of: parts that make sense alone, and the clauses inside them.

A message can say one thing and mention another. Parts are sentences, lines, what markup keeps
apart, and the message without what it quotes; clauses are finer, down to commas.
"""

import re

_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+|(?<=[。！？；])|<[^>\n]*>|<(?=[A-Za-z/!])")
_CLAUSE = re.compile(r"[.!?;:,…()\[\]<>|\"“”„‘«»/*=，。、！？；：\n]+|'(?!\w)|(?<!\w)[’']|(?<=\s)-+(?=\s)|[–—]")
_QUOTED = re.compile(r"\"[^\"\n]{8,}\"|“[^”\n]{8,}”|„[^“”\n]{8,}[“”]|«[^»\n]{8,}»|(?<!\w)['‘][^'’\n]{8,}['’](?!\w)")
_WORD, _LETTER = re.compile(r"\w+"), re.compile(r"\w")
FEWEST_LETTERS, FEWEST_WORDS = 4, 3
"""Of a part, and of a clause: less says nothing of its own."""


def parts(text: str) -> list[str]:
    """The parts of `text`; a message of one part has itself only, one without letters has none."""
    pieces = [piece.strip() for piece in _SENTENCE.split(text)]
    if (unquoted := _QUOTED.sub(" ", text)) != text:
        pieces.append(unquoted.strip())
    return [piece for piece in pieces if len(_LETTER.findall(piece)) >= FEWEST_LETTERS]


def clauses(text: str) -> list[str]:
    """The clauses of `text` that are no parts themselves."""
    pieces = dict.fromkeys(piece.strip() for piece in _CLAUSE.split(text))
    whole = set(parts(text))
    return [piece for piece in pieces if piece not in whole and len(_WORD.findall(piece)) >= FEWEST_WORDS]
