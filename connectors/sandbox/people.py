"""People who work in a sandbox HubSpot account, and the account's own books."""

from typing import Any, Self

import httpx

from connectors.sandbox.hubspot_shapes import PeoplesEdit, Shown, StoredObject

CHANGED_MEANWHILE = 409
PATIENCE_S = 60.0


class HubSpotPeople:
    """Edits records of one object behind the API's back, where nothing fails.

    Args:
        url: the sandbox's.
        kind: the object, such as tickets.
        named: the property by which people know their records.
    """

    def __init__(self, url: str, kind: str, named: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S)
        self._kind, self._named = kind, named

    async def __aenter__(self) -> Self:
        """Themselves."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def look_up(self, name: str) -> list[StoredObject]:
        """The records of a name."""
        asked = {"name": self._named, "value": name}
        answer = (await self._client.get(f"/_people/{self._kind}", params=asked)).raise_for_status()
        return [StoredObject.model_validate(one) for one in answer.json()]

    async def edit(self, record_id: str, edit: PeoplesEdit) -> Shown | None:
        """Edit a record, or make one under the id `new`; None if it shows something else than `edit` says."""
        body = edit.model_dump(mode="json")
        answer = await self._client.post(f"/_people/{self._kind}/{record_id}", json=body)
        if answer.status_code == CHANGED_MEANWHILE:
            return None
        return Shown.model_validate(answer.raise_for_status().json())

    async def books(self) -> list[StoredObject]:
        """Every record, with its changes."""
        answer = (await self._client.get("/_records")).raise_for_status()
        return [StoredObject.model_validate(one) for one in answer.json()["records"]]

    async def stats(self) -> dict[str, Any]:
        """The account's counts; see `connectors.sandbox.service.Stats`."""
        return dict((await self._client.get("/_stats")).raise_for_status().json())

    async def away(self, *, begins: bool) -> None:
        """Let the account be away for everybody else, or back."""
        (await self._client.post("/_settings", json={"away": begins})).raise_for_status()

    async def fail(self, **changes: float) -> None:
        """Change how requests fail; see `connectors.sandbox.faults.FaultSettings`."""
        (await self._client.post("/_faults", json=changes)).raise_for_status()
