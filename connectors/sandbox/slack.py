"""A Slack with channels: errors inside a 200, texts cut in silence, a history in pages, no idempotency at all."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, JsonValue

from connectors.sandbox.faults import FaultPlan, Kind, answer
from connectors.sandbox.records import Record, Records
from connectors.sandbox.service import Stats, TokenBucket, assemble, control_routes

CHANNELS = ("C0000000001", "C0000000002")
"""Those that the app is in; `C0000000009` is archived, and there are no others."""
ARCHIVED = "C0000000009"
SCOPES = "chat:write,channels:history"
LONGEST_TEXT = 40_000
LARGEST_PAGE = 999


class Metadata(BaseModel):
    """What a message carries unseen."""

    event_type: str
    event_payload: dict[str, JsonValue] = {}


class NewMessage(BaseModel):
    """Body of `POST /api/chat.postMessage`."""

    channel: str
    text: str = ""
    mrkdwn: bool = True
    metadata: Metadata | None = None


class Message(Record):
    """A message as the server keeps it; `ts` names it in its channel."""

    channel: str
    ts: str
    text: str
    mrkdwn: bool
    metadata: Metadata | None

    @property
    def operation_id(self) -> str | None:
        """The operation's id in the metadata."""
        found = self.metadata.event_payload.get("operation_id") if self.metadata else None
        return found if isinstance(found, str) else None


class Posted(BaseModel):
    """Answer to a message that was posted."""

    ok: bool = True
    channel: str
    ts: str


class Page(BaseModel):
    """Answer to a history: the newest first."""

    ok: bool = True
    messages: list[dict[str, JsonValue]]
    has_more: bool
    response_metadata: dict[str, str]


class SlackError(Exception):
    """An answer that is no success, with status 200 all the same."""


def create_app(plan: FaultPlan, state: Path | None = None, limit: TokenBucket | None = None) -> FastAPI:
    """The server.

    Its `doubled` counts messages that share an operation id with an earlier one.
    """
    records: Records[Message] = Records(Message, lambda message: filter(None, [message.operation_id]), state)

    def stats() -> Stats:
        count = len(records.all())
        return Stats(records=count, writes=count, doubled=records.beyond_the_first(), faults=dict(plan.counts))

    routes = _routes(records, plan, limit or TokenBucket())
    app = assemble("Sandbox Slack", routes, control_routes(records, plan, stats), records.close)
    app.add_exception_handler(SlackError, _in_a_200)
    app.add_exception_handler(HTTPException, _throttled)
    return app


def _routes(records: Records[Message], plan: FaultPlan, limit: TokenBucket) -> APIRouter:
    router = APIRouter(prefix="/api", dependencies=[Depends(_authorised), Depends(limit.take)])

    @router.post("/chat.postMessage")
    async def post_message(new: NewMessage) -> Response:
        _check_channel(new.channel)
        if not new.text:
            raise SlackError("no_text")
        stored = _stored(records, new)
        fault = plan.draw(Kind.CREATE, [stored.operation_id or stored.ts])
        return answer(plan, fault, 200, lambda: _posted(records.save(stored)))

    @router.post("/auth.test")
    async def who_we_are() -> Response:
        told = {"ok": True, "team": "Sandbox", "user": "interlock", "team_id": "T0000000001", "user_id": "U0000000001"}
        return JSONResponse(told, headers={"x-oauth-scopes": SCOPES})

    @router.get("/conversations.history")
    async def history(
        channel: str,
        oldest: float = 0,
        limit: int = 100,
        cursor: str = "",
        include_all_metadata: bool = False,  # a query, not a switch of ours
    ) -> Response:
        _check_channel(channel)
        fault = plan.draw(Kind.READ, (channel,))
        since = [one for one in records.all() if one.channel == channel and float(one.ts) > oldest]
        page = _page(since, limit, cursor, with_metadata=include_all_metadata)
        return answer(plan, fault, 200, lambda: page)

    return router


def _stored(records: Records[Message], new: NewMessage) -> Message:
    number = records.new_id()
    # Each a second after the one before, years ago: whoever looks for a message must not ask when it was posted.
    return Message(
        id=number,
        channel=new.channel,
        ts=f"{1_500_000_000 + int(number)}.000100",
        text=new.text[:LONGEST_TEXT],
        mrkdwn=new.mrkdwn,
        metadata=new.metadata,
    )


def _posted(message: Message) -> Posted:
    return Posted(channel=message.channel, ts=message.ts)


def _page(messages: list[Message], limit: int, cursor: str, *, with_metadata: bool) -> Page:
    """The part of a history that begins after a cursor, which is the number of messages before."""
    begin, size = int(cursor or 0), min(max(limit, 1), LARGEST_PAGE)
    newest_first = messages[::-1]
    shown = {"id", "channel", "mrkdwn"} | (set() if with_metadata else {"metadata"})
    end = begin + size
    more = end < len(newest_first)
    return Page(
        messages=[message.model_dump(mode="json", exclude=shown) for message in newest_first[begin:end]],
        has_more=more,
        response_metadata={"next_cursor": str(end) if more else ""},
    )


def _check_channel(channel: str) -> None:
    if channel == ARCHIVED:
        raise SlackError("is_archived")
    if channel not in CHANNELS:
        raise SlackError("channel_not_found")


async def _authorised(authorization: Annotated[str | None, Header()] = None) -> None:
    if authorization is None:
        raise SlackError("not_authed")
    if not authorization.startswith("Bearer xoxb-"):
        raise SlackError("invalid_auth")


async def _in_a_200(_: Request, exc: Exception) -> JSONResponse:
    return JSONResponse({"ok": False, "error": str(exc)})


async def _throttled(_: Request, exc: Exception) -> JSONResponse:
    """As Slack does, which has a code for each error."""
    if not isinstance(exc, HTTPException):
        raise exc
    code = "ratelimited" if exc.status_code == 429 else "internal_error"  # noqa: PLR2004 - HTTP's own number
    return JSONResponse({"ok": False, "error": code}, exc.status_code, exc.headers)
