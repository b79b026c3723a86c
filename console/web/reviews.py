"""`/reviews`: people look through what waits and decide, signed in or by a link for one review.

A GET, a HEAD and a prefetch only ever show: mail scanners and previews press links. A POST decides.
"""

import asyncio
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from console.answering import give
from console.web import shown
from console.web.access import Access, Visitor
from console.web.desk import Desk, Form, answer_of
from console.web.render import HEADERS, HERE, page, said, when
from console.web.sign_in import SignIn
from console.web.together import Together
from console.web.wish import Wish
from domain.errors import InputInvalid
from domain.keys import Key, KeyFault, Purpose
from domain.review import Answer, Refusal
from tasks.customer import ask_customer, customer_answered
from tasks.heartbeat import unwatched
from tasks.resources import Resources

STATIC = {
    "reviews.css": "text/css",
    "dashboard.css": "text/css",
    "reviews.js": "text/javascript",
    "mark.svg": "image/svg+xml",
}

GONE = "there is no such review"


def review_routes(here: Resources, access: Access) -> list[Route]:
    """The pages' addresses."""
    pages, signing, together = ReviewPages(here, access), SignIn(here, access), Together(here, access)
    return [
        Route("/reviews", pages.queue),
        Route("/reviews/login", signing.ask),
        Route("/reviews/login", signing.begin, methods=["POST"]),
        Route("/reviews/logout", signing.end, methods=["POST"]),
        Route("/reviews/{review_id}", pages.show),
        Route("/reviews/{review_id}", pages.decide, methods=["POST"]),
        Route("/reviews/{review_id}/customer", pages.customer, methods=["POST"]),
        Route("/reviews/{review_id}/same", together.show),
        Route("/reviews/{review_id}/same", together.decide, methods=["POST"]),
    ]


async def static(request: Request) -> Response:
    """Style, keys and icon."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404, "there is no such file")
    kept = HEADERS | {"Cache-Control": "public, max-age=300"}
    return FileResponse(HERE / "static" / name, media_type=STATIC[name], headers=kept)


class ReviewPages(Desk):
    """The queue, and one review."""

    async def queue(self, request: Request) -> Response:
        """What waits."""
        visitor = self.visitor(request)
        if visitor is None:
            return self.ask_who(request, 401)
        wish = Wish.read(request.query_params)
        found = await asyncio.to_thread(shown.queue, self.here, wish, visitor.name)
        silent = await asyncio.to_thread(self._unwatched)
        told = {"done": await self.done(request), "unwatched": silent}
        return page("queue", 200, **self.session(visitor, wish), **vars(found), **told)

    def _unwatched(self) -> list[str]:
        with self.here.store.reading() as tx:
            return sorted(unwatched(tx, self.here.now()))

    async def show(self, request: Request) -> Response:
        """One review: for who is signed in, or has the key of a link to it."""
        session, text = self.visitor(request), request.query_params.get("key", "")
        if text:
            key = self._link(text, request.path_params["review_id"])
            return await self._page(request, Visitor(key.reviewer, proven=True), text)
        return await self._page(request, session) if session else self.ask_who(request, 401)

    async def decide(self, request: Request) -> Response:
        """Let an answer decide; a refused one brings the page back with the reason."""
        form, review_id = dict(await self.sent(request)), request.path_params["review_id"]
        text = form.get("key", "")
        key = self._link(text, review_id) if text else None
        visitor = Visitor(key.reviewer, proven=True) if key else self.signed_in(request, form)
        answer = answer_of(form, visitor, key)
        given = await give(self.here.afresh(), review_id, answer)
        if given is None:
            raise HTTPException(404, GONE)
        settled = given.settled
        if settled.refusal:
            status = 409 if settled.refusal in (Refusal.ALREADY_DECIDED, Refusal.CHANGED) else 422
            return await self._page(request, visitor, text, settled.notice, answer, status)
        if key:
            return RedirectResponse(f"/reviews/{quote(review_id, safe='')}?key={text}", 303, HEADERS)
        return await self._to_next(request, review_id, visitor)

    async def customer(self, request: Request) -> Response:
        """Take down that the customer was asked for something, or has answered: clocks stand still in between."""
        form, review_id = dict(await self.sent(request)), request.path_params["review_id"]
        visitor = self.signed_in(request, form)
        try:
            await asyncio.to_thread(self._take_down, review_id, form, visitor.name)
        except InputInvalid as exc:
            return await self._page(request, visitor, notice=str(exc), status=422)
        path = f"/reviews/{quote(review_id, safe='')}{Wish.read(request.query_params).query()}"
        return RedirectResponse(path, 303, HEADERS)

    def _take_down(self, review_id: str, form: Form, by: str) -> None:
        with self.here.store.reading() as tx:
            review = tx.reviews.get(review_id)
        if review is None:
            raise HTTPException(404, GONE)
        if form.get("customer") == "answered":
            customer_answered(self.here, review.item_id, by)
        else:
            ask_customer(self.here, review.item_id, form.get("what", ""), by)

    def _link(self, text: str, review_id: str) -> Key:
        """The key of a link to this review.

        Raises:
            HTTPException: it is none, or over.
        """
        key = self.access.read(text, Purpose.REVIEW, self.here.now())
        if key is KeyFault.EXPIRED:
            raise HTTPException(410, "This link is over. Ask for a new one, or sign in to the queue.")
        if not isinstance(key, Key) or key.about != review_id:
            raise HTTPException(403, "This link does not open this review. Open it as it was sent to you, whole.")
        return key

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        link_key: str = "",
        notice: str = "",
        given: Answer | None = None,
        status: int = 200,
    ) -> Response:
        review_id, wish, now = request.path_params["review_id"], Wish.read(request.query_params), self.here.now()
        found = await asyncio.to_thread(shown.review, self.here.afresh(), review_id, wish, visitor.name)
        if found is None:
            raise HTTPException(404, GONE)
        return page(
            "review",
            status,
            **self.session(visitor, wish),
            **vars(found),
            late=now > found.review.due_at,
            due=when(found.review.due_at, now),
            said=said(found.form, found.item.text, found.found),
            notice=notice,
            outcome=shown.outcome(found.review),
            done=await self.done(request),
            given=given,
            link_key=link_key,
        )

    async def _to_next(self, request: Request, review_id: str, visitor: Visitor) -> Response:
        """To the next review in the queue, or to the queue where there is none."""
        wish = Wish.read(request.query_params)
        found = await asyncio.to_thread(shown.review, self.here, review_id, wish, visitor.name)
        following = (found.next or found.before) if found else None
        path = f"/reviews/{quote(following, safe='')}" if following else "/reviews"
        return RedirectResponse(path + wish.query(done=review_id), 303, HEADERS)
