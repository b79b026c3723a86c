"""A CRM with leads: unique external ids, versions, compare-and-set updates."""

import re
from pathlib import Path
from typing import Annotated, NoReturn

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from connectors.sandbox.faults import Fault, FaultPlan, Kind, answer
from connectors.sandbox.records import Record, Records
from connectors.sandbox.service import Stats, TokenBucket, assemble, control_routes

Name = Annotated[str, Field(min_length=1)]
PHONE_DIGITS = 8
"""Last digits that two spellings of one phone number share, whatever their country codes."""
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class NewLead(BaseModel):
    """Body of `POST /leads`; a lead that people make there has no external id."""

    external_id: str = ""
    operation_id: Name
    fields: dict[str, str]


class LeadPatch(BaseModel):
    """Body of `PATCH /leads/{id}`; the fields are merged into the lead's, whose external id is set once."""

    operation_id: Name
    external_id: Name | None = None
    fields: dict[str, str]


class Lead(Record):
    """A lead as clients see it; `operation_id` is that of the latest write."""

    version: int
    external_id: str
    operation_id: str
    fields: dict[str, str]


class StoredLead(Lead):
    """A lead as the server keeps it, with the operation ids of all writes, in order."""

    operation_ids: list[str]

    def shown(self) -> Lead:
        """Without the server's own notes."""
        return Lead.model_validate(self.model_dump(exclude={"operation_ids"}))


class LeadList(BaseModel):
    """Answer to a search."""

    results: list[Lead]


class Leads:
    """The rules of the CRM over its records."""

    def __init__(self, records: Records[StoredLead]) -> None:
        self.records = records

    def search(self, key: str) -> LeadList:
        """The leads under a key."""
        return LeadList(results=[lead.shown() for lead in self.records.under(key)])

    def alike(self, email: str, phone: str, name: str) -> LeadList:
        """The leads with this address, this telephone number, or a word of the name; letter case does not count."""
        found = [lead for lead in self.records.all() if _alike(lead.fields, email, phone, name)]
        return LeadList(results=[lead.shown() for lead in found])

    def get(self, lead_id: str) -> StoredLead:
        """The lead, or 404."""
        return self.records.get(lead_id) or _refuse(404, f"There is no lead {lead_id}")

    def check_new(self, new: NewLead) -> None:
        """Refuse what `create` could not store."""
        _check_fields(new.fields)
        if new.external_id and (existing := self.records.under(external_key(new.external_id))):
            _refuse(409, f"Lead already exists. Existing ID: {existing[0].id}")

    def create(self, new: NewLead) -> Lead:
        """Store a new lead."""
        operations = [new.operation_id]
        lead = StoredLead(id=self.records.new_id(), version=1, operation_ids=operations, **new.model_dump())
        return self.records.save(lead).shown()

    def check_patch(self, lead: StoredLead, patch: LeadPatch, if_match: str | None) -> None:
        """Refuse what `update` could not store."""
        _check_fields(patch.fields)
        if if_match is None:
            _refuse(428, 'Send the version that you read as If-Match: "<version>"')
        if if_match.strip('"') != str(lead.version):
            _refuse(412, f"Lead {lead.id} is at version {lead.version}, not {if_match}")
        if patch.external_id not in (None, lead.external_id) and lead.external_id:
            _refuse(422, f"Property 'external_id': lead {lead.id} has one already")

    def update(self, lead: StoredLead, patch: LeadPatch) -> Lead:
        """Merge a patch into a lead."""
        change = {
            "version": lead.version + 1,
            "external_id": patch.external_id or lead.external_id,
            "operation_id": patch.operation_id,
            "operation_ids": [*lead.operation_ids, patch.operation_id],
            "fields": lead.fields | patch.fields,
        }
        return self.records.save(lead.model_copy(update=change)).shown()

    def edit_by_another_user(self, lead: StoredLead) -> StoredLead:
        """Change a field that no client of ours writes."""
        fields = lead.fields | {"last_edited_in_ui": f"version {lead.version}"}
        return self.records.save(lead.model_copy(update={"version": lead.version + 1, "fields": fields}))

    def stats(self, plan: FaultPlan) -> Stats:
        """The CRM's books."""
        leads = self.records.all()
        applied_again = sum(len(lead.operation_ids) - len(set(lead.operation_ids)) for lead in leads)
        return Stats(
            records=len(leads),
            writes=sum(len(lead.operation_ids) for lead in leads),
            doubled=self.records.beyond_the_first() + applied_again,
            faults=dict(plan.counts),
        )


def external_key(external_id: str) -> str:
    """Index key of an external id."""
    return f"external:{external_id}"


def operation_key(operation_id: str) -> str:
    """Index key of an operation id."""
    return f"operation:{operation_id}"


def create_app(plan: FaultPlan, state: Path | None = None, limit: TokenBucket | None = None) -> FastAPI:
    """The CRM's server.

    Its `doubled` counts leads that share an operation id or external id with an earlier one,
    and operations applied again to the same lead.
    """
    records = Records(StoredLead, _keys, state)
    leads = Leads(records)
    control = control_routes(records, plan, lambda: leads.stats(plan))
    return assemble("Sandbox CRM", _lead_routes(leads, plan, limit or TokenBucket()), control, records.close)


def _lead_routes(leads: Leads, plan: FaultPlan, limit: TokenBucket) -> APIRouter:
    router = APIRouter(dependencies=[Depends(limit.take)])

    @router.post("/leads")
    async def create_lead(new: NewLead) -> Response:
        leads.check_new(new)
        fault = plan.draw(Kind.CREATE, (new.operation_id, new.external_id))
        return answer(plan, fault, 201, lambda: leads.create(new))

    @router.patch("/leads/{lead_id}")
    async def update_lead(lead_id: str, patch: LeadPatch, if_match: Annotated[str | None, Header()] = None) -> Response:
        lead = leads.get(lead_id)
        leads.check_patch(lead, patch, if_match)
        fault = plan.draw(Kind.UPDATE, (patch.operation_id, lead.external_id))
        if fault is Fault.STALE:
            leads.check_patch(leads.edit_by_another_user(lead), patch, if_match)
        return answer(plan, fault, 200, lambda: leads.update(lead, patch))

    @router.get("/leads")
    async def search_leads(external_id: str | None = None, operation_id: str | None = None) -> Response:
        if (external_id is None) == (operation_id is None):
            _refuse(400, "Search by external_id or by operation_id")
        key = operation_key(operation_id) if operation_id is not None else external_key(external_id or "")
        fault = plan.draw(Kind.READ, (key,))
        return answer(plan, fault, 200, lambda: leads.search(key))

    @router.get("/leads/alike")
    async def search_alike(email: str = "", phone: str = "", name: str = "") -> Response:
        fault = plan.draw(Kind.READ, (f"alike:{email}{phone}{name}",))
        return answer(plan, fault, 200, lambda: leads.alike(email, phone, name))

    @router.get("/leads/{lead_id}")
    async def read_lead(lead_id: str) -> Response:
        lead = leads.get(lead_id)
        fault = plan.draw(Kind.READ, (lead.external_id,))
        return answer(plan, fault, 200, lead.shown)

    return router


def _keys(lead: StoredLead) -> list[str]:
    external = [external_key(lead.external_id)] if lead.external_id else []
    return [*external, *map(operation_key, lead.operation_ids)]


def _alike(fields: dict[str, str], email: str, phone: str, name: str) -> bool:
    words = set(name.casefold().split())
    return (
        (email != "" and fields.get("email", "").casefold() == email.casefold())
        or (phone != "" and _digits(fields.get("phone", "")).endswith(_digits(phone)[-PHONE_DIGITS:] or "no digits"))
        or bool(words & set(fields.get("name", "").casefold().split()))
    )


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _check_fields(fields: dict[str, str]) -> None:
    if (email := fields.get("email")) is not None and not EMAIL.fullmatch(email):
        _refuse(422, f"Property 'email': '{email}' is not a valid e-mail address")


def _refuse(status: int, message: str) -> NoReturn:
    raise HTTPException(status, message)
