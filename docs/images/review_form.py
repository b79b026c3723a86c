"""Makes `review-form.png` anew: `PYTHONPATH=.:tests python docs/images/review_form.py`. Needs Chromium."""

import asyncio
import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect_ui import approve_in_ui

from connectors.ports import Arrival
from connectors.store.engine import Store
from console.local_prefect import deploy_reviews, prefect_server, review_worker
from console.sandboxes import sandboxes
from flows.route import route
from tasks.accept import accept
from tasks.resources import opened

TEXT = (
    "Hello, since the update this morning nobody here gets in any more. Could somebody look at it before noon? Ann Grün"
)
TARGET = Path(__file__).with_name("review-form.png")


async def asked() -> None:
    """Let a message come to a person, there being no model."""
    async with opened() as here:
        mail = {"subject": "Nobody gets in", "message": TEXT, "name": "Ann Grün", "email": "ann@nordwind.example"}
        arrival = Arrival(
            where="mail", source="mail", external_id="MSG-70301", received_at=datetime.now(UTC), fields=mail
        )
        accept(here, "support_triage", [arrival])
    await route("support_triage")


def main() -> None:
    """Start everything, let a message come, fill in its form."""
    with (
        TemporaryDirectory() as home,
        prefect_server(Path(home)) as ui,
        sandboxes(Path(home), fault_rate=0) as systems,
        closing(Store(f"sqlite:///{home}/interlock.db")) as store,
    ):
        off = {"INTERLOCK_LLM": "off", "INTERLOCK_EMBEDDINGS": "off"}
        os.environ |= {**systems.environ, **off, "INTERLOCK_DATABASE_URL": f"sqlite:///{home}/interlock.db"}
        asyncio.run(deploy_reviews(at_once=1))
        with review_worker(Path(home)):
            asyncio.run(asked())
            with store.reading() as tx:
                (review,) = tx.reviews.waiting()
            approve_in_ui(ui, str(review.flow_run), route="access", reviewer="Ann Lee", screenshot=TARGET)


if __name__ == "__main__":
    main()
