"""`/reviews/ID/same`: one answer for reviews that ask the same of the same words.

Who answers sees all of them. Each is decided by itself, by what stands there of it: one that has
changed or was decided meanwhile is left alone and said so.
"""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from console.answering import Outcome, give
from console.web import shown
from console.web.access import Visitor
from console.web.desk import Desk, answer_of
from console.web.render import page, said, words
from console.web.wish import Wish


class Together(Desk):
    """The page for reviews that are alike."""

    async def show(self, request: Request) -> Response:
        """All that are alike."""
        visitor = self.visitor(request)
        return self.ask_who(request, 401) if visitor is None else await self._page(request, visitor)

    async def decide(self, request: Request) -> Response:
        """Decide those that were chosen."""
        pairs = await self.sent(request)
        form = dict(pairs)
        visitor = self.signed_in(request, form)
        chosen = [value.rpartition(" ")[::2] for name, value in pairs if name == "each"]
        if not chosen:
            return await self._page(request, visitor, "Choose at least one of them.", 422)
        answer, afresh = answer_of(form, visitor), self.here.afresh()
        results: list[tuple[str, Outcome | None]] = []
        for review_id, binding in chosen[: shown.TOGETHER]:
            results.append((review_id, await give(afresh, review_id, answer.model_copy(update={"binding": binding}))))
        return page(
            "decided",
            200,
            **self.session(visitor, Wish.read(request.query_params)),
            good=sum(given is not None and given.settled.refusal is None for _, given in results),
            results=[(review_id, _told(given)) for review_id, given in results],
        )

    async def _page(self, request: Request, visitor: Visitor, notice: str = "", status: int = 200) -> Response:
        found = await asyncio.to_thread(shown.alike, self.here.afresh(), request.path_params["review_id"])
        if found is None:
            raise HTTPException(404, "there is no such review that waits")
        one, rows = found
        return page(
            "same",
            status,
            **self.session(visitor, Wish.read(request.query_params)),
            **vars(one),
            rows=rows,
            said=said(one.form, one.item.text, one.found),
            notice=notice,
        )


def _told(given: Outcome | None) -> str:
    if given is None:
        return "not found"
    return given.settled.notice or f"decided: {words(given.settled.choice)}"
