"""`/reviews/login`: people say who they are, or prove it by a link, and get a session."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.desk import Desk, way
from console.web.render import HEADERS
from domain.keys import Key, Purpose


class SignIn(Desk):
    """The page to sign in, and what it does."""

    async def ask(self, request: Request) -> Response:
        """Ask who it is."""
        self.access.check_caller(request)
        return self.ask_who(request, 200)

    async def begin(self, request: Request) -> Response:
        """Begin a session: with the key of a link, once, or with the reviewers' token and a name."""
        form, now = dict(await self.sent(request)), self.here.now()
        if text := form.get("key", ""):
            key = self.access.read(text, Purpose.LOGIN, now)
            if not isinstance(key, Key) or not await asyncio.to_thread(self._use, key):
                return self.ask_who(request, 403, "This link was used before, or is over. Ask for a new one.")
            name = key.reviewer
        else:
            name = " ".join(form.get("name", "").split())[:200]
            if not (self.access.is_open or self.access.knows(form.get("token", ""))):
                return self.ask_who(request, 403, "That is not the reviewers' token.")
            if not name:
                return self.ask_who(request, 422, "Please fill in your name.")
        response = RedirectResponse(way(form.get("to", "")), 303, HEADERS)
        self.access.sign_in(response, name, now, proven=bool(text), secure=request.url.scheme == "https")
        return response

    async def end(self, request: Request) -> Response:
        """End the session in this browser."""
        self.signed_in(request, dict(await self.sent(request)))
        response = RedirectResponse("/reviews/login", 303, HEADERS)
        self.access.sign_out(response)
        return response

    def _use(self, key: Key) -> bool:
        with self.here.store.transaction() as tx:
            return tx.keys.use(key.nonce, key.reviewer, self.here.now())
