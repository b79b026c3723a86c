"""`/escalations`: what people were told of and nobody has taken over. A GET shows it, a POST takes one over."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from connectors.links import ESCALATIONS
from connectors.store.engine import Transaction
from connectors.store.watch_tables import EscalationRow
from console.web.access import Access, Visitor
from console.web.desk import Desk
from console.web.render import HEADERS, ago, page
from console.web.wish import Wish, mark
from domain.escalation import Cause
from domain.review import Proven
from tasks.escalate import acknowledge
from tasks.resources import Resources

PAGE = 25
"""Escalations on one page."""


@dataclass(frozen=True)
class Told:
    """One escalation as the page shows it.

    Attributes:
        review: whose answer ends it; empty where it is about anything else.
        who: whom notices went to so far, in order.
        taken: who has taken it over; empty for nobody.
    """

    escalation_id: str
    policy: str
    message: str
    review: str
    began_at: datetime
    since: str
    occurrences: int
    who: str
    taken: str


@dataclass(frozen=True)
class Standing:
    """A page of what stands.

    Attributes:
        count: how many nobody has taken over, those on other pages among them.
        more: where the next page begins; empty if there is none.
        taken: those that somebody has taken over and that are not over, the latest first.
    """

    rows: list[Told]
    count: int
    more: str
    taken: list[Told]


def escalation_routes(here: Resources, access: Access) -> list[Route]:
    """The page's addresses."""
    pages = EscalationPages(here, access)
    return [
        Route(ESCALATIONS, pages.show),
        Route(f"{ESCALATIONS}/{{escalation_id}}", pages.take, methods=["POST"]),
    ]


class EscalationPages(Desk):
    """What stands, and taking it over."""

    async def show(self, request: Request) -> Response:
        """What nobody has taken over, the oldest first, and what somebody has."""
        visitor = self.visitor(request)
        return self.ask_who(request, 401) if visitor is None else await self._page(request, visitor)

    async def take(self, request: Request) -> Response:
        """Take one over in the visitor's name; whoever comes too late is told who was faster."""
        form, escalation_id = dict(await self.sent(request)), request.path_params["escalation_id"]
        visitor = self.signed_in(request, form)
        row, taken = await asyncio.to_thread(self._take, escalation_id, visitor)
        if row is None:
            raise HTTPException(404, "there is no such escalation")
        if not taken and row.acknowledged_by != visitor.name:  # a second press is no fault
            return await self._page(request, visitor, f"{row.message}: {row.outcome}", 409)
        path = ESCALATIONS + Wish.read(request.query_params).query(done=escalation_id)
        return RedirectResponse(path, 303, HEADERS)

    def _take(self, escalation_id: str, visitor: Visitor) -> tuple[EscalationRow | None, bool]:
        """The escalation as it stands then, None if there is none; and whether the visitor has just taken it over."""
        proven = Proven.LINK if visitor.proven else Proven.CLAIMED
        with self.here.store.transaction() as tx:
            taken = acknowledge(tx, escalation_id, visitor.name, self.here.now(), proven)
            return tx.escalations.get(escalation_id), taken

    async def _page(self, request: Request, visitor: Visitor, notice: str = "", status: int = 200) -> Response:
        wish = Wish.read(request.query_params)
        found = await asyncio.to_thread(standing, self.here, wish)
        done = await asyncio.to_thread(self._done, request.query_params.get("done", ""))
        given = {**vars(found), "escalated": found.count, "notice": notice, "done": done}
        return page("escalations", status, **self.session(visitor, wish), **given)

    def _done(self, escalation_id: str) -> str:
        """What became of the one that was taken over last: as the store has it, whatever the address says."""
        with self.here.store.reading() as tx:
            row = tx.escalations.get(escalation_id) if escalation_id else None
        return f"{row.message}: {row.outcome} Nobody else is told." if row and row.acknowledged_by else ""


def standing(here: Resources, wish: Wish) -> Standing:
    """The part of what stands that somebody wants to see."""
    with here.store.reading() as tx:
        waiting, taken = tx.escalations.page(wish.place, PAGE + 1), tx.escalations.taken(PAGE)
        shown = _told(tx, [*waiting[:PAGE], *taken], here.now())
        count = tx.escalations.count()
    rows = shown[: min(len(waiting), PAGE)]
    more = mark((rows[-1].began_at, rows[-1].escalation_id)) if len(waiting) > PAGE else ""
    return Standing(rows, count, more, shown[len(rows) :])


def _told(tx: Transaction, rows: list[EscalationRow], now: datetime) -> list[Told]:
    notices = tx.escalations.notices_of([row.escalation_id for row in rows])
    return [
        Told(
            escalation_id=row.escalation_id,
            policy=row.policy,
            message=row.message,
            review=row.subject if row.cause == Cause.REVIEW_LATE else "",
            began_at=row.began_at,
            since=ago(row.began_at, now),
            occurrences=row.occurrences,
            who=", ".join(dict.fromkeys(one.told for one in notices.get(row.escalation_id, ()))),
            taken=row.acknowledged_by or "",
        )
        for row in rows
    ]
