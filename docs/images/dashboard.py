"""Makes `dashboard.png` anew: `PYTHONPATH=.:tests python docs/images/dashboard.py`. Needs Chromium."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright
from prefect_ui import FLAGS, chromium
from reviewing import OPEN, Reviewing, served

from connectors.settings import Settings
from connectors.store.engine import Store
from console.web.lookers import Lookers
from domain.decision import Reason
from domain.review import Answer

TARGET = Path(__file__).with_name("dashboard.png")
ITEMS = 60
LABELS = ("access", "billing")


def answer(desk: Reviewing, review: str, route: str) -> None:
    """A person decides."""
    item_id = desk.row(review).item_id
    with desk.store.transaction() as tx:
        held = tx.inbox.under_review(item_id)[2]
        reason = Reason.APPROVED if route == held.proposed else Reason.OVERRIDDEN
        decided = {"reason": reason, "route": route, "by": "Ann Lee", "decided_at": desk.now}
        tx.inbox.replace_decision(item_id, held.model_copy(update=decided), 0, desk.now)
        tx.reviews.answered(review, Answer(choice=route, reviewer="Ann Lee", binding="-"), desk.now)


def main() -> None:
    """Leave some messages to people over some days, open the dashboard, take the picture."""
    with TemporaryDirectory() as home, closing(Store(f"sqlite:///{home}/dash.db")) as store, sync_playwright() as web:
        desk = Reviewing(Path(home), store, now=datetime.now(UTC) - timedelta(days=6))
        for number in range(ITEMS):
            blind = number % 6 == 0
            review = desk.ask(f"mail-{number}", f"message {number}", label=LABELS[number % 2], blind=blind)
            desk.later(minutes=20 + (number * 37) % 240)
            if number % 9:
                answer(desk, review, LABELS[number % 2] if number % 7 else LABELS[0])
        with store.transaction() as tx:
            tx.figures.balanced("tiny", tx.accounts.balance("tiny"), datetime.now(UTC))
            tx.heartbeats.beat("watch:tiny", datetime.now(UTC))
        looking = Lookers.configured(Settings.model_validate({}), OPEN, on_loopback=True, public_url="")
        browser = web.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        with served(desk, looking=looking) as address:
            page = browser.new_page(viewport={"width": 1080, "height": 1000})
            page.goto(f"{address}/dashboard")
            page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()
