"""The whole thing for real: Prefect's server and worker, the sandboxes, the tiny workflow."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import sqlite_database
from installation import Installation
from services import address, dovecot
from tiny import write_tiny
from trackers import server, token, tracker, url

from connectors.store.engine import Store
from console.local_prefect import deploy_reviews, review_worker
from console.sandboxes import sandboxes

__all__ = ["address", "dovecot", "server", "site", "token", "tracker", "url"]


@pytest.fixture(scope="module")
def site(prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation without a model, so that rules and people decide, with a process worker."""
    home = tmp_path_factory.mktemp("site")
    url = sqlite_database(home / "interlock.db")
    with sandboxes(home, fault_rate=0) as systems, pytest.MonkeyPatch.context() as patch:
        off = {"INTERLOCK_LLM": "off", "INTERLOCK_EMBEDDINGS": "off"}
        environ = {**systems.environ, "INTERLOCK_DATABASE_URL": url, **off}
        for name, value in environ.items():
            patch.setenv(name, value)
        store = Store(url)
        policy = write_tiny(Path(home), review={"answer_within_minutes": 60})
        asyncio.run(deploy_reviews(at_once=2))
        with review_worker(home):
            yield Installation(policy, store, systems, prefect, {**os.environ, **environ})
        store.close()
