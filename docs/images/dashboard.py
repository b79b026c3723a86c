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

TARGET = Path(__file__).with_name("dashboard.png")
ITEMS = 60


def main() -> None:
    """Leave some messages to people over some days, open the dashboard, take the picture."""
    with TemporaryDirectory() as home, closing(Store(f"sqlite:///{home}/dash.db")) as store, sync_playwright() as web:
        desk = Reviewing(Path(home), store, now=datetime.now(UTC) - timedelta(days=6))
        for number in range(ITEMS):
            desk.ask(f"mail-{number}", f"message {number}", label=("access", "billing")[number % 2])
            desk.later(hours=(number * 7) % 5)
        with store.transaction() as tx:
            tx.figures.balanced("tiny", tx.accounts.balance("tiny"), datetime.now(UTC))
            tx.heartbeats.beat("watch:tiny", datetime.now(UTC))
        looking = Lookers.configured(Settings.model_validate({}), OPEN, on_loopback=True, public_url="")
        browser = web.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        with served(desk, looking=looking) as address:
            page = browser.new_page(viewport={"width": 1080, "height": 900})
            page.goto(f"{address}/dashboard")
            page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()
