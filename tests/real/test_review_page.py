"""The review page in a browser: by keyboard, on a phone, in the dark, by a link; never by pressing the link alone."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from prefect_ui import FLAGS, chromium
from reviewing import OPEN, SECRET, Reviewing, served

from connectors.links import review_link
from connectors.settings import Settings
from connectors.store.engine import Store
from console.web.access import Access
from domain.escalation import Cause
from tasks.escalate import acknowledge, escalate

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(chromium() is None, reason="Chromium left out: it is not installed"),
]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Reviewing]:
    with closing(Store(f"sqlite:///{tmp_path / 'reviews.db'}")) as store:
        yield Reviewing(tmp_path, store)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield chrome
        chrome.close()


@contextmanager
def tab(browser: Browser, address: str, **options: object) -> Iterator[Page]:
    """A fresh tab; whatever the page asks elsewhere for, or a script that breaks a rule of its own, fails the test."""
    context = browser.new_context(base_url=address, **options)  # type: ignore[arg-type]  # Playwright's own names
    page, faults = context.new_page(), list[str]()
    page.set_default_timeout(15_000)
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(address) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if "Security Policy" in told.text else None)
    try:
        yield page
    finally:
        context.close()
    assert faults == []


def sign_in(page: Page, name: str = "Ann Lee") -> None:
    page.goto("/reviews")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Reviews that wait")).to_be_visible()


def test_a_reviewer_decides_by_the_keyboard_alone(desk, browser):
    first, second = desk.ask("m-1", "a", due_in=MINUTE), desk.ask("m-2", "my <b>login</b>", due_in=2 * MINUTE)
    with served(desk, OPEN) as address, tab(browser, address) as page:
        sign_in(page)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{address}/reviews/{second}")
        page.keyboard.press("Enter")  # nothing was marked: nothing is sent
        expect(page).to_have_url(f"{address}/reviews/{second}")
        assert desk.row(second).answered_at is None
        page.keyboard.press("2")
        page.keyboard.press("n")
        page.keyboard.type("said j on the phone")
        page.keyboard.press("Escape")
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text(f"{second}: Ann Lee (name as given) decided")
        expect(page).to_have_url(f"{address}/reviews/{first}?done={second}")
        page.keyboard.press("u")
        expect(page.get_by_role("list", name="Reviews").get_by_role("listitem")).to_have_count(1)
    assert desk.row(second).answer == "billing"
    assert "said j on the phone" in [entry.facts.get("note") for entry in desk.entries(second)]


def test_a_link_shows_when_it_is_opened_and_decides_when_the_button_is_pressed(desk, browser):
    review = desk.ask(text="Where is my order?")
    settings = Settings.model_validate({"link_secret": SECRET, "public_url": "http://replaced"})
    access = Access.configured(settings, on_loopback=True, public_url="")
    with served(desk, access) as address, tab(browser, address) as page:
        link = review_link(settings, review, desk.row(review).binding, "ann@example.com", desk.now)
        page.goto(link.removeprefix("http://replaced"))
        expect(page.get_by_text("Where is my order?")).to_be_visible()
        assert desk.row(review).answered_at is None
        page.get_by_role("radio", name="billing").check()
        page.get_by_role("button", name="Decide").click()
        expect(page.get_by_text("ann@example.com (proven by a signed link) decided")).to_be_visible()
        expect(page.get_by_role("button", name="Decide")).to_have_count(0)
        assert page.evaluate("document.cookie") == ""
    assert desk.row(review).proven == "link"


def test_an_escalation_is_taken_over_by_the_keyboard_in_ones_own_name(desk, browser):
    with desk.store.transaction() as tx:
        taken = escalate(tx, Cause.SYSTEM_PAUSED, "crm", "tiny", "nothing is sent to crm", desk.now)
    with served(desk, OPEN) as address, tab(browser, address) as page:
        sign_in(page)
        page.get_by_role("link", name="Escalations 1").click()
        expect(page.get_by_role("heading", name="Escalations", exact=True)).to_be_visible()
        button = page.get_by_role("button", name="Take over")
        expect(button).to_have_accessible_description("nothing is sent to crm")
        page.keyboard.press("j")
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Ann Lee has taken it over. Nobody else is told.")
        expect(page.get_by_text("Nothing waits to be taken over.")).to_be_visible()
        page.keyboard.press("u")
        expect(page.get_by_role("heading", name="Reviews that wait")).to_be_visible()
    with desk.store.reading() as tx:
        assert tx.escalations.get(taken).acknowledged_by == "Ann Lee"


def test_without_scripts_the_pages_work_all_the_same(desk, browser):
    review = desk.ask()
    with served(desk, OPEN) as address, tab(browser, address, java_script_enabled=False) as page:
        sign_in(page)
        page.get_by_role("link", name="hello there").click()
        page.get_by_role("radio", name="billing").check()
        page.get_by_role("button", name="Decide").click()
        expect(page.get_by_role("status")).to_contain_text("decided")
    assert desk.row(review).answer == "billing"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen_and_colours_can_be_read(desk, browser, scheme):
    long = "A" * 300 + " and a long message about many things. " * 20
    desk.ask("m-1", long, due_in=-MINUTE)
    desk.ask("m-2", long, due_in=MINUTE)
    with desk.store.transaction() as tx:
        escalate(tx, Cause.SYSTEM_PAUSED, "crm", "tiny", long, desk.now)
        taken = escalate(tx, Cause.SYSTEM_PAUSED, "mail", "tiny", long, desk.now)
        acknowledge(tx, taken, "Ben", desk.now)
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "color_scheme": scheme}
    with served(desk, OPEN) as address, tab(browser, address, **phone) as page:
        sign_in(page)
        for step in ("queue", "review", "same", "escalations"):
            if step == "review":
                page.locator(".words").first.click()
            if step == "same":
                page.get_by_role("link", name="identical").click()
            if step == "escalations":
                page.get_by_role("link", name="Escalations").click()
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), step
            assert page.evaluate(FAINT) == [], step
            assert page.evaluate(UNNAMED) == [], step


FAINT = """() => {
  const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
  const ground = (el) => { for (; el; el = el.parentElement) { const c = rgb(getComputedStyle(el).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const faint = [];
  for (const el of document.querySelectorAll("main *, header *")) {
    if (![...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !el.checkVisibility()) continue;
    const pair = [light(rgb(getComputedStyle(el).color)), light(ground(el))].sort((a, b) => b - a);
    if ((pair[0] + .05) / (pair[1] + .05) < 4.5) faint.push(el.tagName + ": " + el.textContent.slice(0, 40));
  }
  return faint;
}"""
"""Texts with less contrast than WCAG 2.2 asks for (1.4.3: 4.5 to 1)."""

UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a")]
  .filter((el) => !(el.labels?.length || el.getAttribute("aria-label") || el.textContent.trim()))
  .map((el) => el.outerHTML)"""
"""Fields, buttons and links that a screen reader could not name."""
