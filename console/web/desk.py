"""What all review pages share: who is signed in, the forms that browsers send, and answers made of them."""

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from connectors.links import ESCALATIONS
from connectors.store.tables import ReviewRow
from console.web.access import DASHBOARD, Access, Visitor
from console.web.intake import KIB, read_body
from console.web.render import page
from console.web.shown import outcome
from console.web.wish import Wish
from domain.keys import Key, Purpose
from domain.review import Answer, Proven
from tasks.resources import Resources

LARGEST_FORM = 64 * KIB
MOST_FIELDS = 300
_OURS = re.compile(rf"/reviews/(?!login$)[A-Za-z0-9_.~%-]+(/same)?|{re.escape(ESCALATIONS)}|{re.escape(DASHBOARD)}")

FORM_TYPE = "application/x-www-form-urlencoded"

Form = Mapping[str, str]


class Desk:
    """Base of the pages.

    Args:
        here: gives the store; policies are read anew for each request, as people change them meanwhile.
    """

    def __init__(self, here: Resources, access: Access) -> None:
        self.here, self.access = here, access

    def visitor(self, request: Request) -> Visitor | None:
        """Who is signed in.

        Raises:
            HTTPException: the request may not come here at all.
        """
        self.access.check_caller(request)
        return self.access.visitor(request, self.here.now())

    async def sent(self, request: Request) -> list[tuple[str, str]]:
        """The fields of a form that one of our pages sent.

        Raises:
            HTTPException: it came from another site, or is none.
        """
        self.access.check_caller(request)
        self.access.check_origin(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
            raise HTTPException(415, "send a form")
        body = await read_body(request, LARGEST_FORM)
        try:
            return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        except ValueError as exc:
            raise HTTPException(400, "this is no form that can be read") from exc

    def signed_in(self, request: Request, form: Form) -> Visitor:
        """Whose session a form comes from.

        Raises:
            HTTPException: from none.
        """
        visitor, now = self.access.visitor(request, self.here.now()), self.here.now()
        if visitor is None:
            raise HTTPException(401, "You are not signed in any more. Sign in and answer again.")
        self.access.check_form(visitor, form.get("form", ""), now)
        return visitor

    def session(self, visitor: Visitor, wish: Wish | None = None) -> dict[str, object]:
        """What every page of somebody who is signed in needs."""
        return {"visitor": visitor, "wish": wish, "form_key": self.access.form_key(visitor, self.here.now())}

    def ask_who(self, request: Request, status: int, notice: str = "") -> Response:
        """The page to sign in; what the key of a link says is shown, and the key is not used up."""
        text = "" if notice else request.query_params.get("key", "")
        key = self.access.read(text, Purpose.LOGIN, self.here.now())
        if text and not isinstance(key, Key):
            notice = "This link is over, or not whole. Ask for a new one."
        elsewhere = request.headers.get("sec-fetch-site") == "cross-site"  # then a browser keeps its cookie back
        name = key.reviewer if isinstance(key, Key) else ""
        to = way(request.query_params.get("to", quote(request.url.path)))
        asked = {"to": to, "link_name": name, "link_key": text, "notice": notice, "came_from_elsewhere": elsewhere}
        return page("login", status, access=self.access, **asked)

    async def done(self, request: Request) -> str:
        """What became of the review that was decided last: as the store has it, whatever the address says."""
        review_id = request.query_params.get("done", "")
        row = await asyncio.to_thread(self._row, review_id) if review_id else None
        return f"{row.review_id}: {outcome(row)}" if row and row.answered_at else ""

    def _row(self, review_id: str) -> ReviewRow | None:
        with self.here.store.reading() as tx:
            return tx.reviews.get(review_id)


def way(to: str) -> str:
    """Where somebody goes on after signing in: to the page of ours that they asked for, else to the queue."""
    return to if _OURS.fullmatch(to) else "/reviews"


def answer_of(form: Form, visitor: Visitor, key: Key | None = None) -> Answer:
    """The answer that a form gives; of a link it decides only what the link was made for.

    Raises:
        HTTPException: a field is missing or too long.
    """
    prefix = "input."
    inputs = {name.removeprefix(prefix): text for name, text in form.items() if name.startswith(prefix) and text}
    try:
        return Answer(
            choice=form.get("choice", ""),
            inputs=inputs,
            reviewer=visitor.name,
            note=form.get("note", ""),
            binding=key.binding if key else form.get("binding", ""),
            aware_late="aware_late" in form,
            proven=Proven.LINK if visitor.proven else Proven.CLAIMED,
            key=key.nonce if key else "",
        )
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        raise HTTPException(422, f"{fault['loc'][-1]}: {fault['msg']}") from exc
