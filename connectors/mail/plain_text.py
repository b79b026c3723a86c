"""What plain text parts hide: soft line breaks and files written out as text."""

import binascii
import re

_BEGIN = re.compile(r"begin(?:-base64)? [0-7]{3,4} (\S.{0,200})")


def unflowed(text: str, *, without_spaces: bool) -> str:
    """The paragraphs of format=flowed text (RFC 3676): soft breaks joined, quote marks kept.

    `without_spaces` is its DelSp parameter: the space that marks a soft break is no content.
    """
    paragraphs: list[list[str]] = []
    soft, depth = False, 0
    for line in text.split("\n"):
        marks = len(line) - len(line.lstrip(">"))
        content = line[marks:].removeprefix(" ")  # stuffing, RFC 3676, 4.4
        delimits = content == "-- "  # a signature, which no soft break joins
        continues = soft and marks == depth and not delimits
        soft, depth = content.endswith(" ") and not delimits, marks
        shown = content[:-1] if soft and without_spaces else content
        if continues:
            paragraphs[-1].append(shown)
        else:
            paragraphs.append([f"{'>' * marks} " if marks else "", shown])
    return "\n".join("".join(paragraph) for paragraph in paragraphs)


def without_uuencoded(text: str) -> tuple[str, list[tuple[str, int]]]:
    """The text without files that are written out in it, and their names and sizes in bytes."""
    kept: list[str] = []
    files: list[tuple[str, int]] = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        begins = _BEGIN.fullmatch(lines[number].strip())
        size, end = _uuencoded(lines, number + 1) if begins else (0, 0)
        if begins and end:
            files.append((begins[1].strip(), size))
            number = end
        else:
            kept.append(lines[number])
            number += 1
    return "\n".join(kept), files


def _uuencoded(lines: list[str], start: int) -> tuple[int, int]:
    """Bytes of the file whose lines begin at `start`, and the line after its end; 0 if it is none."""
    size = 0
    for number in range(start, len(lines)):
        line = lines[number].rstrip("\r")
        if line.strip() == "end" and size:
            return size, number + 1
        try:
            size += len(binascii.a2b_uu(line))
        except (binascii.Error, ValueError):
            return 0, 0
    return 0, 0
