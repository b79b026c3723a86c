"""`/api/reviews`: programs read what waits and decide, by the rules of the page."""

import asyncio
import json
from typing import Any

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from console.answering import give
from console.web import shown
from console.web.access import Access, Visitor
from console.web.desk import LARGEST_FORM
from console.web.intake import read_body
from console.web.wish import Wish
from domain.keys import Key
from domain.review import Answer, Proven, Refusal
from domain.values import Frozen
from tasks.resources import Resources

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

GONE = "there is no such review"


class Given(Frozen):
    """What a program sends; see `domain.review.Answer`. The key of a link says who answers, without it `reviewer`."""

    choice: str
    inputs: dict[str, str] = Field(default_factory=dict)
    reviewer: str = ""
    note: str = ""
    binding: str
    aware_late: bool = False


class ReviewsApi:
    """The queue and its answers as JSON."""

    def __init__(self, here: Resources, access: Access) -> None:
        self._here, self._access = here, access

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/api/reviews", self.queue),
            Route("/api/reviews/{review_id}", self.show),
            Route("/api/reviews/{review_id}", self.decide, methods=["POST"]),
        ]

    async def queue(self, request: Request) -> JSONResponse:
        """A page of what waits; `after` of the answer gives the next one."""
        caller = self._caller(request)
        if isinstance(caller, Key):
            raise HTTPException(403, "the key of a link opens its own review alone")
        found = await asyncio.to_thread(shown.queue, self._here, Wish.read(request.query_params), caller.name)
        rows = [_line(row) for row in found.rows]
        return _json({"reviews": rows, "after": found.more, "waiting": found.count.waiting, "late": found.count.late})

    async def show(self, request: Request) -> JSONResponse:
        """One review with all that an answer needs; once it is decided, by whom and how."""
        review_id = request.path_params["review_id"]
        self._caller(request, review_id)
        found = await asyncio.to_thread(shown.review, self._here.afresh(), review_id, Wish(), "")
        if found is None:
            raise HTTPException(404, GONE)
        row = found.review
        known = {"review": row.review_id, "item": row.item_id, "policy": row.policy, "kind": row.kind}
        if found.form is None:
            given = {"by": row.reviewer, "proven": row.proven, "choice": row.answer}
            return _json({**known, "decided": given})
        return _json({**known, "form": found.form.model_dump(mode="json")})

    async def decide(self, request: Request) -> JSONResponse:
        """Let an answer decide: 200, or 409 if somebody was faster or it has changed, or 422 with the reason."""
        review_id = request.path_params["review_id"]
        caller = self._caller(request, review_id)
        self._access.check_origin(request)
        given = await give(self._here.afresh(), review_id, _answer(await _sent(request), caller))
        if given is None:
            raise HTTPException(404, GONE)
        settled = given.settled
        if settled.refusal is None:
            known = {"by": settled.by, "choice": settled.choice, "missing": settled.missing, "writes": settled.writes}
            return _json({"decided": not settled.missing, **known})
        known = {"error": settled.notice, "refusal": settled.refusal.value}
        if settled.by:
            known |= {"by": settled.by, "choice": settled.choice}
        return _json(known, 409 if settled.refusal in (Refusal.ALREADY_DECIDED, Refusal.CHANGED) else 422)

    def _caller(self, request: Request, review_id: str = "") -> Visitor | Key:
        self._access.check_caller(request)
        caller = self._access.bearer(request, self._here.now())
        if caller is None:
            says = "send 'Authorization: Bearer' with the reviewers' token or the key of a link"
            raise HTTPException(401, says, headers={"WWW-Authenticate": "Bearer"})
        if isinstance(caller, Key) and review_id and caller.about != review_id:
            raise HTTPException(403, "this key opens another review")
        return caller


async def _sent(request: Request) -> Given:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")
    body = await read_body(request, LARGEST_FORM)
    try:
        return Given.model_validate(json.loads(body))
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        raise HTTPException(422, f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from exc
    except (ValueError, RecursionError) as exc:
        raise HTTPException(400, "this is no JSON that can be read") from exc


def _answer(given: Given, caller: Visitor | Key) -> Answer:
    """The answer of whoever calls; with the key of a link, for what it was made for."""
    proof: dict[str, Any] = {}
    if isinstance(caller, Key):
        proof = {"reviewer": caller.reviewer, "binding": caller.binding, "key": caller.nonce, "proven": Proven.LINK}
    try:
        return Answer.model_validate(given.model_dump() | proof)
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        raise HTTPException(422, f"{fault['loc'][0]}: {fault['msg']}") from exc


def _line(row: shown.Line) -> dict[str, Any]:
    named = ("review_id", "policy", "kind", "binding", "proposed", "words", "same")
    return {name: getattr(row, name) for name in named} | {"due_at": row.due_at.isoformat(), "late": row.is_late}


def _json(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, headers=HEADERS)
