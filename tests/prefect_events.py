"""Reads what a Prefect server has been told."""

import asyncio
from datetime import datetime

import httpx


async def events_about(ui: str, resource: str, since: datetime, count: int) -> dict[str, str | None]:
    """The events about a resource since then, and whom they are for; Prefect takes a moment to have them."""
    found: dict[str, str | None] = {}
    async with httpx.AsyncClient(base_url=f"{ui}/api") as client:
        for _ in range(100):
            asked = {"filter": {"any_resource": {"id": [resource]}, "occurred": {"since": since.isoformat()}}}
            events = (await client.post("/events/filter", json=asked)).json()["events"]
            found = {event["event"]: event["payload"].get("to") for event in events}
            if len(found) >= count:
                break
            await asyncio.sleep(0.2)
    return found
