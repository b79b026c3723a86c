"""Makes `review-page.png` anew: `PYTHONPATH=.:tests python docs/images/review_page.py`. Needs Chromium."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright
from prefect_ui import FLAGS, chromium
from reviewing import Reviewing, served

from connectors.store.engine import Store
from domain.extraction import By, Extraction, Found, Ground

TEXT = (
    "Hello, this is Ann Grün of Nordwind GmbH. Since this morning nobody here can log in, and our packers wait. "
    "Could you reset all passwords by noon? Otherwise please call +49 89 123456."
)
TARGET = Path(__file__).with_name("review-page.png")


def found(value: str) -> Found:
    """A field's value where it stands in the message."""
    start = TEXT.index(value)
    return Found(value=value, start=start, end=start + len(value), by=By.PATTERN, ground=Ground.PLACED, confidence=0.97)


def main() -> None:
    """Fill a queue, open a review, take the picture."""
    fields = {"name": found("Ann Grün"), "company": found("Nordwind GmbH"), "phone": found("+49 89 123456")}
    with (
        TemporaryDirectory() as home,
        closing(Store(f"sqlite:///{home}/reviews.db")) as store,
        sync_playwright() as web,
    ):
        desk = Reviewing(Path(home), store, now=datetime.now(UTC))
        review = desk.ask("mail-7", TEXT, email="ann@nordwind.example", extraction=Extraction(key="k", found=fields))
        desk.ask("mail-8", "Where is our invoice for March?", due_in=timedelta(hours=2), label="billing")
        browser = web.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        with served(desk) as address:
            page = browser.new_page(viewport={"width": 1080, "height": 820})
            page.goto(f"{address}/reviews")
            page.get_by_label("Your name").fill("Ann Lee")
            page.get_by_role("button", name="Go on").click()
            page.goto(f"{address}/reviews/{review}")
            page.keyboard.press("1")
            page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()
