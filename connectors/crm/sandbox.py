"""The sandbox's CRM: leads by external id, updated by compare-and-set."""

from collections.abc import Mapping, Sequence
from typing import assert_never
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from connectors.capabilities import Capabilities, Idempotency, Upsert, Versioning
from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, ahead_s, look, refused, well
from connectors.http_outcomes import Headed, HttpApi, Vendor
from connectors.ports import Candidate
from connectors.spec import SystemSpec, Variable, seconds, url
from domain.delivery import Ambiguous, Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

VENDOR = Vendor(name="sandbox CRM")
CRM_URL = Variable("INTERLOCK_SANDBOX_CRM_URL", "address of the sandbox's CRM, such as http://127.0.0.1:8081")
TIMEOUT_S = Variable("INTERLOCK_SANDBOX_TIMEOUT_S", "seconds to wait for the sandbox's answers", "1.0")


class NewLead(BaseModel):
    """Body of `POST /leads`."""

    external_id: str
    operation_id: str
    fields: dict[str, str]


class LeadPatch(BaseModel):
    """Body of `PATCH /leads/{id}`; the external id is our key, for a lead that has none."""

    operation_id: str
    external_id: str | None = None
    fields: dict[str, str]


class Lead(BaseModel):
    """A lead in an answer."""

    id: str
    version: int
    external_id: str
    fields: dict[str, str]


class LeadList(Headed):
    """Answer to a search."""

    results: list[Lead]


class SandboxCrm:
    """Writes leads; an operation's record key is the lead's external id."""

    capabilities = Capabilities(upsert=Upsert.SEARCH, idempotency=Idempotency.TRACE, versioning=Versioning.COMPARE)

    def __init__(self, url: str, timeout_s: float) -> None:
        # Proxies of the environment are not for a server on this machine.
        self._api = HttpApi(VENDOR, httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False))

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Create the lead, or update the fields in which it differs from the operation's values.

        Safe to repeat: a lead that holds the values already is left alone.
        """
        if operation.external_id:
            return await self._update_known(operation)
        match await self._leads_of(operation.record_key):
            case LeadList(results=[]):
                return await self._create(operation)
            case LeadList(results=[lead]):
                return await self._update(lead, operation)
            case LeadList(results=leads):
                ids = ", ".join(lead.id for lead in leads)
                return Ambiguous(detail=f"{VENDOR.name}: leads {ids} all have external id {operation.record_key}")
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The lead that carries the operation's id.

        An operation is said to have created its lead while that is at version 1. A look-up
        that is refused is `RetryAfter`, for it tells nothing of the write.
        """
        match await self._api.look_up(LeadList, "/leads", {"operation_id": operation.operation_id}):
            case LeadList(results=[]):
                return None
            case LeadList(results=leads):
                return _found(leads[0])
            case RetryAfter() as later:
                return later
            case other:
                assert_never(other)

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        """Leads with the same e-mail address, the same last digits of the phone, or a word of the name."""
        match await self._leads_of(operation.record_key):
            case LeadList(results=[]):
                return await self._alike(operation)
            case LeadList(results=leads):
                return [Candidate(lead.id, lead.fields, ours=True) for lead in leads]
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:  # noqa: ARG002  it takes every field
        """Whether it answers; it takes no key, and any field."""
        seen = await look(self._api, LeadList, "/leads", {"external_id": "nobody's"})
        if isinstance(seen, Finding):
            return refused(seen, VENDOR.name)
        return Diagnosis((well(Aspect.ANSWERS, f"the {VENDOR.name} answers"),), ahead_s(seen))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _leads_of(self, external_id: str) -> LeadList | Invalid | RetryAfter:
        return await self._api.ask(LeadList, "/leads", {"external_id": external_id})

    async def _alike(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        wanted = {name: text for name in ("email", "phone", "name") if (text := operation.values.get(name))}
        match await self._api.ask(LeadList, "/leads/alike", wanted):
            case LeadList(results=leads):
                return [Candidate(lead.id, lead.fields) for lead in leads]
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def _update_known(self, operation: Operation) -> DeliveryOutcome:
        match await self._api.ask(Lead, f"/leads/{quote(operation.external_id, safe='')}", {}, one_record=True):
            case Lead() as lead:
                return await self._update(lead, operation)
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def _create(self, operation: Operation) -> DeliveryOutcome:
        new = NewLead(external_id=operation.record_key, operation_id=operation.operation_id, fields=operation.values)
        match await self._api.act(Lead, "POST", "/leads", new):
            case Lead(id=lead_id):
                return Written(kind="created", external_id=lead_id)
            case Conflict() as exists:
                return await self._update_after(exists, operation)
            case Invalid() | RetryAfter() | Unknown() as failure:
                return failure
            case other:
                assert_never(other)

    async def _update_after(self, exists: Conflict, operation: Operation) -> DeliveryOutcome:
        """Somebody created the lead since we looked: look once more."""
        match await self._leads_of(operation.record_key):
            case LeadList(results=[lead]):
                return await self._update(lead, operation)
            case LeadList():
                return exists
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def _update(self, lead: Lead, operation: Operation) -> DeliveryOutcome:
        wanted = {name: value for name, value in operation.values.items() if lead.fields.get(name) != value}
        key = None if lead.external_id else operation.record_key
        if not wanted and key is None:
            return Written(kind="unchanged", external_id=lead.id)
        patch = LeadPatch(operation_id=operation.operation_id, external_id=key, fields=wanted)
        if_match = {"If-Match": f'"{lead.version}"'}
        match await self._api.act(Lead, "PATCH", f"/leads/{quote(lead.id, safe='')}", patch, if_match):
            case Lead(id=lead_id):
                return Written(kind="updated", external_id=lead_id)
            case Conflict() | Invalid() | RetryAfter() | Unknown() as failure:
                return failure
            case other:
                assert_never(other)


def _found(lead: Lead) -> Written:
    return Written(kind="created" if lead.version == 1 else "updated", external_id=lead.id, found=True)


def _open(values: Mapping[str, str]) -> SandboxCrm:
    return SandboxCrm(url(values, CRM_URL), seconds(values, TIMEOUT_S))


SPEC = SystemSpec(_open, (CRM_URL, TIMEOUT_S), searchable=True)
