"""The sandbox's help desk: every send makes a ticket, so nothing may be sent twice."""

from collections.abc import Mapping, Sequence
from typing import assert_never

import httpx
from pydantic import BaseModel

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.crm.sandbox import TIMEOUT_S
from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, ahead_s, lacking, look, refused, well
from connectors.http_outcomes import Headed, HttpApi, Vendor
from connectors.spec import SystemSpec, Variable, seconds, url
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

VENDOR = Vendor(name="sandbox help desk")
HELP_DESK_URL = Variable(
    "INTERLOCK_SANDBOX_HELP_DESK_URL", "address of the sandbox's help desk, such as http://127.0.0.1:8082"
)
VALUES = ("queue", "subject", "body", "requester", "tags")


class NewTicket(BaseModel):
    """Body of `POST /tickets`."""

    operation_id: str
    queue: str
    subject: str
    body: str
    requester: str
    tags: list[str]


class Ticket(BaseModel):
    """A ticket in an answer."""

    id: str


class TicketList(Headed):
    """Answer to a search."""

    results: list[Ticket]


class SandboxHelpDesk:
    """Makes tickets of the values queue, subject, body, requester and tags (parted by commas)."""

    capabilities = Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.TRACE)

    def __init__(self, url: str, timeout_s: float) -> None:
        # Proxies of the environment are not for a server on this machine.
        self._api = HttpApi(VENDOR, httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False))

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Make a ticket; after `Unknown`, sending again without `find` makes another.

        A value that tickets do not have is `Invalid`, for it would be dropped unseen.
        """
        if strange := sorted(operation.values.keys() - set(VALUES)):
            return Invalid(detail=f"{VENDOR.name}: tickets have no {', '.join(strange)}; use {', '.join(VALUES)}")
        match await self._api.act(Ticket, "POST", "/tickets", _ticket(operation)):
            case Ticket(id=ticket_id):
                return Written(kind="created", external_id=ticket_id)
            case Conflict() | Invalid() | RetryAfter() | Unknown() as failure:
                return failure
            case other:
                assert_never(other)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The first ticket that carries the operation's id.

        A look-up that is refused is `RetryAfter`, for it tells nothing of the write.
        """
        match await self._api.look_up(TicketList, "/tickets", {"operation_id": operation.operation_id}):
            case TicketList(results=[]):
                return None
            case TicketList(results=tickets):
                return Written(kind="created", external_id=tickets[0].id, found=True)
            case RetryAfter() as later:
                return later
            case other:
                assert_never(other)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """Whether it answers, and has the fields; it takes no key."""
        seen = await look(self._api, TicketList, "/tickets", {"operation_id": "nobody's"})
        if isinstance(seen, Finding):
            return refused(seen, VENDOR.name)
        written = {name for use in uses for name in use.fields}
        fields = lacking("tickets", written, VALUES, f"Use {', '.join(VALUES)}")
        return Diagnosis((well(Aspect.ANSWERS, f"the {VENDOR.name} answers"), fields), ahead_s(seen))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _ticket(operation: Operation) -> NewTicket:
    texts = {name: operation.values.get(name, "") for name in VALUES}
    tags = [tag.strip() for tag in texts.pop("tags").split(",") if tag.strip()]
    return NewTicket(operation_id=operation.operation_id, tags=tags, **texts)


def _open(values: Mapping[str, str]) -> SandboxHelpDesk:
    return SandboxHelpDesk(url(values, HELP_DESK_URL), seconds(values, TIMEOUT_S))


SPEC = SystemSpec(_open, (HELP_DESK_URL, TIMEOUT_S))
