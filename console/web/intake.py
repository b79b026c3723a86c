"""`POST /intake/{policy}`: what is sent is stored, and only then acknowledged."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from connectors.ports import Arrival, Unreadable
from connectors.webhooks import Delivery, Scheme
from console.web.group_commit import GroupCommit, Verdict
from console.web.payload import Payload, kind_of, read_payload
from console.web.trigger import Trigger
from domain.errors import InputInvalid
from domain.item import Admission
from policies.webhooks import Webhook, payload_fields
from tasks.accept import Admitted

LOG = logging.getLogger("interlock.intake")

READ_S = 10.0
"""How long a sender may take for a body."""

KIB = 1024


@dataclass(frozen=True)
class Door:
    """One policy's way in.

    Attributes:
        public_url: what stands before the path in the address that senders call.
        trigger: told of what has arrived; None where the schedules alone take it.
    """

    policy: str
    webhook: Webhook
    scheme: Scheme
    commits: GroupCommit
    public_url: str
    trigger: Trigger | None = None


class Intake:
    """Takes requests for several policies.

    Args:
        doors: by the policy's name; no other name is ever looked up.
    """

    def __init__(self, doors: Mapping[str, Door], now: Callable[[], datetime]) -> None:
        self._doors = doors
        self._now = now

    async def receive(self, request: Request) -> JSONResponse:
        """Store a request's events; 202 after the commit, or a 4xx or 503 that says what to do.

        Raises:
            HTTPException: unknown policy, body too long, too slow or of an unknown type, not signed.
            Retryable: not stored, or not known to be; the sender shall send it again.
        """
        name = request.path_params["policy"]
        if (door := self._doors.get(name)) is None:
            raise HTTPException(404, f"no policy '{name[:63]}' takes webhooks here; see 'interlock serve --help'")
        content_type = request.headers.get("content-type", "")
        kind = kind_of(content_type)
        if kind is None or request.headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(
                415, "send application/json or a form, in UTF-8 and not compressed; say so in Content-Type"
            )
        body = await _body(request, door.webhook.largest_body_kb * KIB)
        delivery = Delivery(request.method, _url(door, request), request.headers, body)
        if doubt := door.scheme.doubt(delivery):
            LOG.warning("not taken for %s: %s", door.policy, doubt)
            raise HTTPException(401, doubt)
        try:
            arrivals = _arrivals(door, delivery, await read_payload(kind, content_type, body), self._now())
        except InputInvalid as exc:
            where = f"/intake/{door.policy}"
            await door.commits.put([Unreadable(where, str(exc), body.decode("utf-8", "replace"))])
            raise HTTPException(400, str(exc)) from exc
        verdicts = await door.commits.put(arrivals)
        new = any(isinstance(one, Admitted) and one.how is Admission.ACCEPTED for one in verdicts)
        if door.trigger is not None and new:
            door.trigger.arrived()
        return _answer(verdicts)


def _arrivals(door: Door, delivery: Delivery, payload: Payload, now: datetime) -> list[Arrival]:
    """What was sent, each event of a list by itself."""
    arrivals = []
    for number, event in enumerate(payload.events):
        external_id = door.scheme.external_id(delivery, event, now)
        if payload.listed and not door.scheme.per_event:
            external_id = f"{external_id}:{number}"
        where = f"/intake/{door.policy} {external_id}"
        arrivals.append(
            Arrival(where, door.webhook.source, external_id, now, payload_fields(event, door.webhook.fields))
        )
    return arrivals


def _answer(verdicts: Sequence[Verdict]) -> JSONResponse:
    """What became of each event; 422 if none of them is, or repeats, an item."""
    items = [
        {"item": verdict.item_id, "repeated": verdict.how is not Admission.ACCEPTED}
        if isinstance(verdict, Admitted)
        else {"refused": verdict.why}
        for verdict in verdicts
    ]
    if not any(isinstance(verdict, Admitted) for verdict in verdicts):
        return JSONResponse({"error": "nothing in it can be an item; the ledger has it", "items": items}, 422)
    return JSONResponse({"items": items}, 202)


async def _body(request: Request, most: int) -> bytes:
    """The body, as long as it is at most `most` bytes; no more than that is ever held."""
    stated = request.headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdigit()) or int(stated) > most:
        raise _too_long(most)
    body = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _too_long(most)
    except TimeoutError as exc:
        raise HTTPException(408, f"the body did not come within {READ_S:.0f} seconds; send it again") from exc
    except ClientDisconnect as exc:
        raise HTTPException(400, "the connection ended before the body did; send it again") from exc
    return bytes(body)


def _too_long(most: int) -> HTTPException:
    return HTTPException(413, f"send at most {most // KIB} KB, or raise intake.webhook.largest_body_kb in the policy")


def _url(door: Door, request: Request) -> str:
    """The address that the sender called; what a proxy says about it is not asked."""
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    return f"{door.public_url}{path}{'?' if query else ''}{query}"
