"""What a reader of an HTML mail sees, as plain text: quoted blocks marked, hidden text left out.

The standard library's HTMLParser takes quadratic time on unclosed comments and tags before
Python 3.11.14; this one goes over a page once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

LONGEST_PAGE = 2_000_000
"""Characters of HTML that are read; a longer page is refused, not cut."""

_UNSEEN = {"noscript", "script", "style", "template", "textarea", "title"}
_RAW = {"script", "style", "textarea", "title"}
"""Elements whose content has no tags (HTML Living Standard, 13.1.2)."""
_BLOCKS = {
    "address", "article", "blockquote", "br", "dd", "div", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
}  # fmt: skip
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

# Possessive throughout: a tag that does not end is found out in one pass.
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)((?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+|["'])*+)>""")
_VALUES = re.compile(r"""=\s*+(?:"[^"]*+"|'[^']*+')""")
_STYLE = re.compile(r"""(?:^|\s)style\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"']++)""")
_HIDDEN = re.compile(r"(?:^|\s)hidden(?=[\s=/]|$)")
_HIDING = re.compile(
    r"display\s*+:\s*+none|visibility\s*+:\s*+hidden|mso-hide\s*+:\s*+all|font-size\s*+:\s*+0(?![\d.])"
)

_NEAR = 9
"""Elements outward that an end tag may close past ones left open, and quote marks at most."""
_RULE = "_" * 32
"""What Outlook's own plain text has for a line across the page."""


def seen_text(page: str) -> str:
    """The text that a reader of `page` sees, a line for each block.

    Raises:
        ValueError: the page is longer than `LONGEST_PAGE`.
    """
    if len(page) > LONGEST_PAGE:
        raise ValueError(f"{len(page)} characters of HTML; at most {LONGEST_PAGE} are read")
    reader = _Reader()
    for piece in _pieces(page):
        reader.take(piece)
    reader.end_line()
    return "\n".join(reader.lines)


@dataclass(frozen=True)
class _Tag:
    name: str
    attributes: str
    ends: bool


def _pieces(page: str) -> Iterator[str | _Tag]:
    """The text and the tags of a page; what a browser takes for the inside of a comment or tag is left out."""
    unclosed: set[str] = set()
    position = 0
    while (start := page.find("<", position)) >= 0:
        yield page[position:start]
        if page.startswith("<!--", start):
            position = _after(page, "-->", start + len("<!--"))
        elif page.startswith(("<!", "<?"), start):
            position = _after(page, ">", start)
        elif (tag := _TAG.match(page, start)) is not None:
            name, position = tag[2].lower(), tag.end()
            yield _Tag(name, tag[3], ends=bool(tag[1]))
            if name in _RAW and not tag[1] and name not in unclosed:
                end = re.compile(rf"</{name}\b", re.IGNORECASE).search(page, position)
                position = end.start() if end else position
                unclosed |= set() if end else {name}
        elif page[start + 1 : start + 3].lstrip("/")[:1].isalpha():
            return
        else:
            yield "<"
            position = start + 1
    yield page[position:]


def _after(page: str, mark: str, start: int) -> int:
    end = page.find(mark, start)
    return end + len(mark) if end >= 0 else len(page)


class _Within:
    """An element whose content is hidden or quoted, and how many of its kind are open inside."""

    def __init__(self, name: str, *, hides: bool) -> None:
        self.name, self.hides, self.open = name, hides, 1


class _Reader:
    """Collects in `lines` what a reader of a page sees."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._line: list[str] = []
        self._within: list[_Within] = []
        self._hidden = 0
        self._quoted = 0

    def take(self, piece: str | _Tag) -> None:
        """Read on."""
        if isinstance(piece, str):
            self._line += [] if self._hidden else [unescape(piece)]
            return
        if piece.name in _BLOCKS:
            self.end_line()
        if piece.ends:
            self._end(piece.name)
        else:
            self._begin(piece)

    def end_line(self) -> None:
        """What comes next stands on a new line."""
        text = " ".join("".join(self._line).split())
        self._line = []
        if text:
            self.lines.append("> " * min(self._quoted, _NEAR) + text)

    def _begin(self, tag: _Tag) -> None:
        if tag.name == "body":
            self._leave(len(self._within))  # whatever the head left open
        if tag.name == "p" and self._within and self._within[-1].name == "p":
            self._leave(1)  # a paragraph ends where the next begins
        if tag.name in _VOID:
            self.lines += [_RULE] if tag.name == "hr" and not self._hidden else []
            return
        hides = tag.name in _UNSEEN or _is_hidden(tag.attributes)
        if hides or tag.name == "blockquote":
            self._within.append(_Within(tag.name, hides=hides))
            self._hidden += hides
            self._quoted += not hides
        elif self._within and self._within[-1].name == tag.name:
            self._within[-1].open += 1

    def _end(self, name: str) -> None:
        for outward, within in enumerate(reversed(self._within[-_NEAR:]), start=1):
            if within.name == name:
                within.open -= 1
                self._leave(outward if not within.open else 0)
                return

    def _leave(self, elements: int) -> None:
        for _ in range(elements):
            hides = self._within.pop().hides
            self._hidden -= hides
            self._quoted -= not hides


def _is_hidden(attributes: str) -> bool:
    if not attributes.strip():
        return False
    style = _STYLE.search(attributes.lower())
    return bool(style and _HIDING.search(style[1])) or bool(_HIDDEN.search(_VALUES.sub("=", attributes.lower())))
