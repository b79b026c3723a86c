"""A real Request Tracker, past the connector and through it.

A conftest gets the fixtures with `from trackers import …`, beside `address` of `services`.
"""

from collections.abc import AsyncIterator

import httpx
import pytest

from connectors.help_desk.request_tracker import RequestTracker

PATIENT_S = 60


@pytest.fixture
def token(address: httpx.URL) -> str:
    return address.username


@pytest.fixture
def url(address: httpx.URL) -> str:
    return str(address.copy_with(username="")).rstrip("/")


@pytest.fixture
async def server(url: str, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """Request Tracker itself, past the connector."""
    headers = {"Authorization": f"token {token}"}
    address = f"{url}/REST/2.0"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENT_S, trust_env=False) as client:
        yield client


@pytest.fixture
async def tracker(url: str, token: str) -> AsyncIterator[RequestTracker]:
    connector = RequestTracker(url, token, PATIENT_S)
    yield connector
    await connector.aclose()
