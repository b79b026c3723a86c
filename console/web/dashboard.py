"""`/dashboard`: what came in, what was done, what waits, what broke, what is late; and the items behind each figure.

Everything is a GET that shows; figures are read from the store when they are asked for.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from urllib.parse import quote

from prefect.settings import get_current_settings
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from connectors.store.figures import Listed
from console.ledger import story
from console.web.access import DASHBOARD, Visitor
from console.web.desk import Desk
from console.web.lines import line_of, lines
from console.web.look import Look, mark
from console.web.lookers import Lookers
from console.web.metrics import exposed
from console.web.overview import LISTS, overview
from console.web.render import HEADERS, page
from domain.figures import Share, percent
from tasks.resources import Resources

PAGE = 50
"""Items on one page."""

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""The text format's name (Prometheus, "Exposition formats")."""


@dataclass(frozen=True)
class Told:
    """One entry of an item's story; `run` is the Prefect flow run that it tells of, empty for none."""

    at: datetime
    text: str
    run: str


def dashboard_routes(here: Resources, lookers: Lookers) -> list[Route]:
    """The pages' addresses."""
    pages = DashboardPages(here, lookers)
    return [
        Route(DASHBOARD, pages.show),
        Route(f"{DASHBOARD}/login", pages.ask),
        Route(f"{DASHBOARD}/login", pages.begin, methods=["POST"]),
        Route(f"{DASHBOARD}/logout", pages.end, methods=["POST"]),
        Route(f"{DASHBOARD}/items", pages.items),
        Route(f"{DASHBOARD}/items/{{item_id}}", pages.item),
        Route(f"{DASHBOARD}/consistency", pages.consistency),
        Route("/metrics", pages.metrics),
    ]


class DashboardPages(Desk):
    """The figures, the lists behind them, an item's story, and the way in."""

    def __init__(self, here: Resources, lookers: Lookers) -> None:
        super().__init__(here, lookers.mine)
        self.lookers = lookers

    async def show(self, request: Request) -> Response:
        """The figures."""
        if (visitor := self._looker(request)) is None:
            return self._ask(401)
        found = await asyncio.to_thread(overview, self.here, Look.read(request.query_params))
        return page("dashboard", 200, **self._top(request, visitor), **vars(found))

    async def items(self, request: Request) -> Response:
        """What is behind a figure, the newest first: items, reviews, escalations, clocks or writes."""
        if (visitor := self._looker(request)) is None:
            return self._ask(401)
        look = Look.read(request.query_params)
        found = await asyncio.to_thread(lines, self.here, look, PAGE + 1)
        more = mark(found[PAGE - 1].place) if len(found) > PAGE else ""
        heading = f"{LISTS[look.of]}{f': {look.whose}' if look.whose else ''}"
        shown = {"rows": found[:PAGE], "more": more, "heading": heading}
        return page("items", 200, **self._top(request, visitor), look=look, **shown)

    async def item(self, request: Request) -> Response:
        """One item's story, as its ledger entries tell it; or an entity's or a notice's, where a list leads to it."""
        if (visitor := self._looker(request)) is None:
            return self._ask(401)
        item_id = request.path_params["item_id"]
        one, told = await asyncio.to_thread(self._story, item_id)
        if one is None and not told:
            raise HTTPException(404, "there is no such item")
        days = [(day, list(entries)) for day, entries in groupby(told, key=lambda entry: entry.at.date())]
        runs = f"{get_current_settings().ui_url}/runs/flow-run/" if get_current_settings().ui_url else ""
        shown = {"item_id": item_id, "one": one and line_of(one), "days": days, "runs": runs}
        return page("story", 200, **self._top(request, visitor), look=Look.read(request.query_params), **shown)

    async def consistency(self, request: Request) -> Response:
        """By system and field, how far the values agree."""
        if (visitor := self._looker(request)) is None:
            return self._ask(401)
        look = Look.read(request.query_params)
        rows = await asyncio.to_thread(self._compared, look)
        return page("consistency", 200, **self._top(request, visitor), look=look, rows=rows)

    async def metrics(self, request: Request) -> Response:
        """The figures for Prometheus."""
        if not self.lookers.may_read(request, self.here.now()):
            raise HTTPException(401, "give the dashboard's token", {"WWW-Authenticate": "Bearer"})
        text = await asyncio.to_thread(exposed, self.here)
        return Response(text, media_type=PROMETHEUS, headers={"Cache-Control": "no-store"})

    async def ask(self, request: Request) -> Response:
        """Ask who it is."""
        self.access.check_caller(request)
        return self._ask(200)

    async def begin(self, request: Request) -> Response:
        """Begin a session with the dashboard's token."""
        form = dict(await self.sent(request))
        if not self.access.knows(form.get("token", "")):
            return self._ask(403, "That is not the dashboard's token.")
        response = RedirectResponse(DASHBOARD, 303, HEADERS)
        self.access.sign_in(response, "", self.here.now(), proven=False, secure=request.url.scheme == "https")
        return response

    async def end(self, request: Request) -> Response:
        """End the session in this browser."""
        self.signed_in(request, dict(await self.sent(request)))
        response = RedirectResponse(f"{DASHBOARD}/login", 303, HEADERS)
        self.access.sign_out(response)
        return response

    def _looker(self, request: Request) -> Visitor | None:
        return self.lookers.visitor(request, self.here.now())

    def _ask(self, status: int, notice: str = "") -> Response:
        reviewers = self.lookers.reviewers is not None and not self.lookers.reviewers.is_open
        told = {"by_token": bool(self.access.token), "reviewers": reviewers, "header": self.lookers.header}
        return page("look", status, notice=notice, on_dashboard=True, **told)

    def _top(self, request: Request, visitor: Visitor) -> dict[str, object]:
        """What the head of each page needs: reviewers go on to what waits."""
        now, reviewers = self.here.now(), self.lookers.reviewers
        reviewer = reviewers is not None and (reviewers.is_open or self.lookers.is_reviewer(request, now))
        access = reviewers if reviewers is not None and self.lookers.is_reviewer(request, now) else self.access
        key = access.form_key(visitor, now)
        return {"visitor": visitor, "reviewer": reviewer, "form_key": key, "on_dashboard": True}

    def _story(self, item_id: str) -> tuple[Listed | None, list[Told]]:
        with self.here.store.reading() as tx:
            entries = list(tx.ledger.entries(item_id))
            one = tx.figures.one(item_id)
        return one, [Told(entry.at, told, _run(entry.facts)) for entry, told in story(entries)]

    def _compared(self, look: Look) -> list[tuple[str, str, str, str, Share, str]]:
        with self.here.store.reading() as tx:
            found = tx.figures.compared(look.choice(self.here.now()))
        return [(*one, share, percent(share)) for one, share in found.items()]


def _run(facts: dict[str, object]) -> str:
    return quote(str(facts.get("run") or facts.get("flow_run") or ""), safe="")
