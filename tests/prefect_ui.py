"""Approve a suspended run the way a person does: by clicking in Prefect's own page.

Written against the second UI of Prefect 3.8 (`/v2/runs/flow-run/<id>`, served by default
beside the first one at `/runs/...`): ⋮ menu, Resume, the form, Resume. Nothing here sleeps
for a fixed time, and the browser is kept to the server under test, so it runs offline.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError as NotSeen
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page, Response, Route

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FORM_TIMEOUT_S = 90.0
"""How long a run may take to reach Suspended and to save its form."""
STEP_TIMEOUT_MS = 10_000
"""How long one look at the page waits before the page is loaded afresh."""
ACTION_TIMEOUT_MS = 15_000
"""How long a click or an answer may take once the form is there."""
BUSY, BUSY_TIMEOUT_S = 503, 30.0
"""What the server answers on a locked SQLite, and how long it is asked again."""
UNCHOSEN = "Select"
"""What the drop-down shows while nothing is chosen."""


def chromium() -> str | None:
    """Return the path of an installed Chromium, or None where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def approve_in_ui(
    ui_url: str,
    flow_run_id: str,
    *,
    route: str | None,
    reviewer: str,
    note: str = "",
    screenshot: Path | None = None,
) -> None:
    """Fill in the form of a suspended run and press Resume, as its reviewer would.

    `ui_url` is the server's address without `/api`; `route` None leaves what is preselected,
    which must then be something. Waits up to 90 s for the run to ask. The screenshot shows the
    form as submitted or, after a failure, the page as it was. Returns once the server has
    accepted the answer; the run itself goes on later, in a new process of its worker.

    Raises AssertionError when the form does not hold or send what was asked, or the server
    refuses it (its reason is the message), Playwright's TimeoutError when no form appears,
    and RuntimeError when no browser is installed. Not idempotent: a run is resumed once. From
    async code call it in `asyncio.to_thread`: Playwright's sync API refuses a running loop.
    """
    if (browser_path := chromium()) is None:
        msg = f"no browser on PATH: install one of {', '.join(BROWSERS)}"
        raise RuntimeError(msg)
    server = ui_url.rstrip("/").removesuffix("/v2")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(ACTION_TIMEOUT_MS)
        page.context.route(lambda url: not url.startswith(f"{server}/"), _refuse)
        try:
            form = _open_form(page, f"{server}/v2/runs/flow-run/{flow_run_id}")
            _fill(page, form, route=route, reviewer=reviewer, note=note)
            _photograph(page, screenshot)
            chosen = _drop_down(form).inner_text()
            sent = _submit(page, form, flow_run_id)
        except BaseException:
            _photograph(page, screenshot)
            raise
        finally:
            browser.close()
    wanted = {"choice": chosen, "reviewer": reviewer, "note": note}
    assert sent == wanted, f"the page sent {sent}, not {wanted}"


def _refuse(request: Route) -> None:
    """Stop what would leave the machine: the UI asks an analytics service for its settings."""
    request.abort()


def _open_form(page: Page, url: str) -> Locator:
    """Open the run's Resume dialog, loading the page again until it holds the saved form.

    The state is set before the form's schema is saved, and a page opened in between keeps
    an empty dialog.
    """
    deadline = time.monotonic() + FORM_TIMEOUT_S
    while True:
        page.goto(url)
        try:
            page.get_by_role("button", name="Open menu").first.click(timeout=STEP_TIMEOUT_MS)
            page.get_by_role("menuitem", name="Resume").click(timeout=STEP_TIMEOUT_MS)
            form = page.get_by_role("dialog", name="Resume Flow Run")
            _text(form, "Reviewer").wait_for(timeout=STEP_TIMEOUT_MS)
        except NotSeen:
            if time.monotonic() > deadline:
                raise
        else:
            return form


def _fill(page: Page, form: Locator, *, route: str | None, reviewer: str, note: str) -> None:
    """Enter the answer, and see at the end that the page still holds all of it."""
    drop_down = _drop_down(form)
    if route is None:
        expect(drop_down).not_to_have_text(UNCHOSEN)
    elif drop_down.inner_text() != route:  # choosing what is chosen could take it back
        drop_down.click()
        page.get_by_role("option", name=route, exact=True).click()
    _text(form, "Reviewer").fill(reviewer)
    if note:
        _text(form, "Note").fill(note)
    if route is not None:
        expect(drop_down).to_have_text(route)
    expect(_text(form, "Reviewer")).to_have_value(reviewer)
    expect(_text(form, "Note")).to_have_value(note)


def _submit(page: Page, form: Locator, flow_run_id: str) -> dict[str, str]:
    """Press Resume and return the fields the page sent, once the server accepted them.

    A refusal comes as HTTP 200 too: what counts is the `status` in the answer. On SQLite the
    server answers 503 while another writer holds the database: then the form stays open, and
    a person presses the button again.
    """

    def answers(response: Response) -> bool:
        return response.url.endswith(f"/flow_runs/{flow_run_id}/resume")

    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        with page.expect_response(answers) as caught:
            form.get_by_role("button", name="Resume", exact=True).click()
        if caught.value.status != BUSY or time.monotonic() > deadline:
            break
    answer = caught.value.json()
    refusal = (answer.get("details") or {}).get("reason") or answer
    assert answer.get("status") == "ACCEPT", f"resume refused: {refusal}"
    form.wait_for(state="hidden")
    body: dict[str, dict[str, str]] = json.loads(caught.value.request.post_data or "{}")
    return body["run_input"]


def _drop_down(form: Locator) -> Locator:
    return form.get_by_label("Select Route", exact=True)


def _text(form: Locator, title: str) -> Locator:
    """Find a text field by its title, after which the UI writes `(Optional)` where it is."""
    return form.get_by_role("textbox", name=re.compile(rf"^{re.escape(title)}( \(Optional\))?$"))


def _photograph(page: Page, target: Path | None) -> None:
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=target)
