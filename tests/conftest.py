"""Fixtures that more than one folder uses."""

import os
from collections.abc import Iterator

import pytest

from console.local_prefect import prefect_server

os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server, the same one for the whole session; gives the UI's address."""
    with prefect_server(tmp_path_factory.mktemp("prefect"), log_level="CRITICAL") as ui:
        yield ui
