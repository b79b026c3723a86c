"""Makes pages and their headers: nothing from elsewhere, nothing kept, no address told to anybody."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.utils import EnvType
from markupsafe import Markup
from starlette.responses import HTMLResponse

from console.web.evidence import parts
from domain.extraction import Found
from domain.review import Form

HERE = Path(__file__).parent

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # an address can hold a key
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}

MINUTE, HOUR, DAY = 60, 3600, 86_400


def page(name: str, status: int = 200, /, **values: object) -> HTMLResponse:
    """A page; what its template does not find in `values` is nothing."""
    html = _pages().get_template(f"{name}.html.jinja").render(_NOTHING | values)
    return HTMLResponse(html, status, headers=HEADERS)


_NOTHING = dict.fromkeys(
    (
        *("visitor", "wish", "form_key", "link_key", "notice", "outcome", "done", "given", "before", "next", "found"),
        *("escalated", "on_queue", "on_escalations", "on_dashboard"),
    )
)


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(HERE / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["words"] = words
    return pages


def words(code: str) -> str:
    """A name of the policy or the code as people read it."""
    return code.replace("_", " ")


def when(due_at: datetime, now: datetime) -> str:
    """How long until a review is due, or how long it has been."""
    left = due_at - now
    return f"late by {_span(-left)}" if left < timedelta(0) else f"due in {_span(left)}"


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was."""
    return f"{_span(max(now - at, timedelta(0)))} ago"


def _span(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            count = seconds // unit
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"


def said(form: Form | None, message: str, found: Mapping[str, Found]) -> Markup:
    """What stands above a form's choices as HTML, the message in it with its evidence marked; or the message alone.

    Nothing in it becomes HTML, a link or a picture: part of it is a stranger's text.
    """
    return _read(form.markdown, message, found) if form else _block(_as_read(message), message, found)


def _read(markdown: str, message: str, found: Mapping[str, Found]) -> Markup:
    html = _reader().render(markdown, {"message": message, "found": found})
    return Markup(html)  # noqa: S704  the reader lets no HTML through


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["link", "image", "autolink", "html_inline", "html_block", "reference"])
    reader.add_render_rule("fence", _fence)
    reader.add_render_rule("table_open", lambda *_: '<div class="scroll"><table>\n')
    reader.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return reader


def _fence(_renderer: object, tokens: Sequence[Token], at: int, _options: object, env: EnvType) -> str:
    return _block(tokens[at].content, env["message"], env["found"])


def _block(content: str, message: str, found: Mapping[str, Found]) -> Markup:
    return Markup('<pre dir="auto" tabindex="0">{}</pre>\n').format(_marked(content, message, found))


def _marked(content: str, message: str, found: Mapping[str, Found]) -> Markup:
    """A block of text as HTML; only the message itself has evidence in it."""
    if content != _as_read(message):
        return Markup("{}").format(content.removesuffix("\n"))
    piece = Markup('<mark title="{}">{}</mark>').format
    return Markup("").join(
        piece(words(", ".join(part.fields)), part.text) if part.fields else part.text for part in parts(message, found)
    )


def _as_read(message: str) -> str:
    """A message in a block of its own, as the Markdown's reader gives it back."""
    return f"{message}\n".replace("\r\n", "\n").replace("\r", "\n")
