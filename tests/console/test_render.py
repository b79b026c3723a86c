"""What strangers wrote stays text on our pages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.render import HEADERS, said, when
from domain.extraction import By, Found, Ground
from domain.review import Form

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "<https://evil.example>",
    "&lt;b&gt; &#60;script&#62;",
    "</code></pre><iframe src=//evil.example>",
    "[a]: https://evil.example 'b'\n[a]",
]


def found(start: int, end: int) -> Found:
    return Found(value="x", start=start, end=end, by=By.PATTERN, ground=Ground.PLACED, confidence=0.9)


def shown(markdown: str, message: str, found: dict[str, Found]) -> str:
    form = Form(markdown=markdown, label="Route", choices={"a": "b"}, binding="x", due_at=NOW, late=False)
    return said(form, message, found)


def fenced(message: str) -> str:
    return f"````text\n{message}\n````\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_markup_and_no_link_comes_of_a_text(text):
    for html in (shown(text, "", {}), shown(fenced(text), text, {}), shown(f"| a |\n|---|\n| {text} |", "", {})):
        assert not any(tag in html for tag in ("<script", "<img", "<iframe", "<a ", "href"))


@pytest.mark.parametrize("text", HOSTILE)
def test_evidence_in_a_hostile_message_is_marked_and_stays_text(text):
    html = shown(fenced(text), text, {"company": found(0, 5), "name": found(3, len(text))})
    assert html.count("<mark") == 3
    assert "<script" not in html
    assert "<img" not in html


def test_a_hostile_field_name_stays_text_too():
    assert '"><b>' not in shown(fenced("Hello"), "Hello", {'x"><b>': found(0, 5)})


def test_spans_are_of_the_raw_text_not_of_the_escaped_one():
    message = "a < b & Nordwind > c"
    start = message.index("Nordwind")
    html = shown(fenced(message), message, {"company": found(start, start + 8)})
    assert 'a &lt; b &amp; <mark title="company">Nordwind</mark> &gt; c' in html


def test_without_a_form_the_message_stands_alone():
    assert said(None, "I am Ann <b>", {"name": found(5, 8)}) == (
        '<pre dir="auto" tabindex="0">I am <mark title="name">Ann</mark> &lt;b&gt;</pre>\n'
    )


def test_a_block_that_is_not_the_message_has_no_evidence():
    assert "<mark" not in shown(fenced("Hello, again"), "Hello", {"name": found(0, 5)})


@given(text=st.text(st.characters(exclude_characters="\x00`~", exclude_categories=("Cs",)), min_size=1, max_size=60))
def test_any_message_is_found_in_its_block(text):
    html = shown(fenced(text), text, {"name": found(0, 1)})
    assert html.count("<mark") == 1


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(hours=2, minutes=59), "due in 2 hours"),
        (timedelta(days=1), "due in 1 day"),
        (timedelta(seconds=20), "due in less than a minute"),
        (timedelta(0), "due in less than a minute"),
        (-timedelta(minutes=1), "late by 1 minute"),
        (-timedelta(days=3, hours=4), "late by 3 days"),
    ],
)
def test_times_are_told_as_people_tell_them(left, words):
    assert when(NOW + left, NOW) == words


def test_pages_load_nothing_from_elsewhere_and_tell_nobody_their_address():
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert (HEADERS["Referrer-Policy"], HEADERS["Cache-Control"]) == ("no-referrer", "no-store")
