"""What the HubSpot sandbox tells of its account, of the key, and of the properties that objects have."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from connectors.sandbox.hubspot_portal import Portal

DAILY_CALLS = 250_000
STANDARD = (
    *("email", "firstname", "lastname", "phone", "company", "website", "jobtitle", "city", "country", "message"),
    *("lifecyclestage", "hs_lead_status", "name", "domain", "subject", "content", "hs_pipeline_stage"),
)
"""Properties that every account has, as far as they are of use here."""
COMPUTED = ("createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id")
"""Those that nobody can write."""
SCOPES = tuple(
    f"crm.objects.{name}.{verb}" for name in ("contacts", "companies", "deals") for verb in ("read", "write")
)


class TokenKey(BaseModel):
    """Body of the question about a token."""

    tokenKey: str  # noqa: N815  HubSpot's spelling


def account_routes(portal: Portal, admit: Callable[..., object]) -> APIRouter:
    """The account's details, the day's calls, the token's scopes, and the properties of an object.

    Args:
        admit: a dependency that refuses who has no key.
    """
    router = APIRouter(dependencies=[Depends(admit)])

    @router.get("/account-info/2026-03/details")
    async def details() -> dict[str, object]:
        return {"portalId": 1_234_567, "accountType": "STANDARD", "timeZone": "UTC"}

    @router.get("/account-info/2026-03/api-usage/daily/private-apps")
    async def usage() -> dict[str, object]:
        most = portal.settings.daily_quota or DAILY_CALLS
        tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        today = {"usageLimit": most, "currentUsage": min(portal.requests, most), "resetsAt": tomorrow.isoformat()}
        return {"results": [{"name": "private-apps-api-calls-daily", **today}]}

    @router.post("/oauth/v2/private-apps/get/access-token-info")
    async def token_info(_: TokenKey) -> dict[str, object]:
        return {"hubId": 1_234_567, "userId": 1, "appId": 1, "scopes": [*SCOPES, "tickets"]}

    @router.get("/crm/properties/2026-03/{kind}")
    async def properties(kind: str) -> dict[str, object]:  # noqa: ARG001  every object has the same here
        settings = portal.settings
        names = dict.fromkeys((*STANDARD, *settings.made, *settings.unique, settings.operation_property, *COMPUTED))
        told = [
            {
                "name": name,
                "type": "string",
                "hasUniqueValue": name in settings.unique,
                "modificationMetadata": {"readOnlyValue": name in COMPUTED},
            }
            for name in names
            if name not in settings.undefined
        ]
        return {"results": told}

    return router
