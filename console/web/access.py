"""Who may see and decide reviews over HTTP: the installation's secrets, sessions, and what a request proves.

A browser that is signed in sends a cookie; a form of ours sends a key that fits it, so that no
other site can press a button here. A link's key is all the proof that its own form needs.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from secrets import token_bytes, token_urlsafe
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from connectors.links import ESCALATIONS, link_secrets
from connectors.settings import Settings
from domain.errors import PolicyInvalid
from domain.keys import Key, KeyFault, Purpose, seal, unseal

COOKIE = "interlock_reviewer"
DASHBOARD = "/dashboard"
"""Path of the operations lead's pages."""

PAGES = ("/reviews", ESCALATIONS, DASHBOARD)
"""Where the pages for people are: a browser sends its cookie there and nowhere else."""

SESSION = timedelta(hours=12)
"""How long a session lasts: a working day."""

SHORTEST_TOKEN = 32
"""Characters; nobody counts tries, so nobody shall be able to guess."""

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""What a proxy adds to a request that came from elsewhere."""

NO_WAY_IN = (
    "reviews are not served: whoever reaches this address could decide. Set INTERLOCK_REVIEWERS_TOKEN (at least "
    f"{SHORTEST_TOKEN} characters, for people to sign in with) or INTERLOCK_LINK_SECRET (for links that sign in), "
    "or listen on loopback."
)


class NobodyGuards(PolicyInvalid):
    """Whoever reaches the address could decide: reviews are not served."""


@dataclass(frozen=True)
class Visitor:
    """Who sends a request.

    Attributes:
        name: empty where only a token speaks, which is no one's own.
        session: the nonce of the browser's session; empty without one.
    """

    name: str
    proven: bool
    session: str = ""


@dataclass(frozen=True)
class Access:
    """How people come in.

    Attributes:
        secrets: the first seals, all of them open.
        links: whether the secrets are the installation's, so that links made elsewhere hold here.
        token: lets in whoever knows it; empty for nobody.
        is_open: whoever is on this machine may come in, under any name.
        public_url: what people call this server; empty if they call it as they reach it.
        pages: where a browser sends its `cookie`, whose key is for a `session` of this kind.
    """

    secrets: tuple[bytes, ...]
    links: bool
    token: str
    is_open: bool
    public_url: str
    pages: tuple[str, ...] = PAGES
    cookie: str = COOKIE
    session: Purpose = Purpose.SESSION

    @classmethod
    def configured(cls, settings: Settings, *, on_loopback: bool, public_url: str) -> "Access":
        """The access that the environment asks for.

        Raises:
            NobodyGuards: it would let anybody in.
            PolicyInvalid: a secret is too short.
        """
        secrets, token = link_secrets(settings), settings.reviewers_token.get_secret_value()
        if token and len(token) < SHORTEST_TOKEN:
            raise PolicyInvalid(f"INTERLOCK_REVIEWERS_TOKEN is shorter than {SHORTEST_TOKEN} characters")
        is_open = not secrets and not token
        if is_open and (not on_loopback or public_url):
            raise NobodyGuards(NO_WAY_IN)
        return cls(secrets or (token_bytes(32),), bool(secrets), token, is_open, public_url.rstrip("/"))

    def check_caller(self, request: Request) -> None:
        """Where no login guards the page, only this machine's own people get it.

        A site that gives its name this machine's address would reach us with that name, and a
        proxy with what it adds.

        Raises:
            HTTPException: it is not them.
        """
        if not self.is_open:
            return
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not is_loopback(host) or any(name in request.headers for name in FORWARDED):
            raise HTTPException(403, f"this address is for this machine alone: {NO_WAY_IN}")

    def check_origin(self, request: Request) -> None:
        """A form that another site sends is refused, whatever it holds.

        With `Referrer-Policy: no-referrer` browsers send `Origin: null` from our own pages too;
        what then tells is `Sec-Fetch-Site`, and where a browser sends neither, the form's key.

        Raises:
            HTTPException: the request comes from another site.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "null")
        ours = {request.headers.get("host", ""), urlsplit(self.public_url).netloc} - {""}
        from_us = site == "same-origin" if site else origin == "null" or urlsplit(origin).netloc in ours
        if not from_us:
            raise HTTPException(403, "this came from another site; open the review here and answer it here")

    def read(self, text: str, purpose: Purpose, now: datetime) -> Key | KeyFault:
        """What a key says."""
        return unseal(text, purpose, self.secrets, now)

    def visitor(self, request: Request, now: datetime) -> Visitor | None:
        """Who a browser's session says that it is."""
        key = self.read(request.cookies.get(self.cookie, ""), self.session, now)
        return Visitor(key.reviewer, key.proven, key.nonce) if isinstance(key, Key) else None

    def bearer(self, request: Request, now: datetime) -> Visitor | Key | None:
        """Who a program says that it is: by the reviewers' token, or by the key of a link."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return Visitor("", proven=False) if self.is_open and not scheme else None
        if self.knows(given):
            return Visitor("", proven=False)
        key = self.read(given, Purpose.REVIEW, now)
        return key if isinstance(key, Key) else None

    def knows(self, given: str) -> bool:
        """Whether this is the reviewers' token."""
        return bool(self.token) and compare_digest(given.encode(), self.token.encode())

    def sign_in(self, response: Response, name: str, now: datetime, *, proven: bool, secure: bool) -> None:
        """Begin a session; the browser sends the cookie to these pages alone, and from no other site."""
        nonce = token_urlsafe(16)
        key = Key(purpose=self.session, reviewer=name, proven=proven, expires_at=now + SESSION, nonce=nonce)
        for path in self.pages:
            response.set_cookie(
                self.cookie,
                seal(key, self.secrets[0]),
                max_age=int(SESSION.total_seconds()),
                path=path,
                secure=secure or self.public_url.startswith("https:"),
                httponly=True,
                samesite="strict",
            )

    def sign_out(self, response: Response) -> None:
        """End the session in this browser."""
        for path in self.pages:
            response.delete_cookie(self.cookie, path=path, httponly=True, samesite="strict")

    def form_key(self, visitor: Visitor, now: datetime) -> str:
        """What a form carries that came from a page of this session."""
        key = Key(purpose=Purpose.FORM, about=visitor.session, expires_at=now + SESSION, nonce=token_urlsafe(16))
        return seal(key, self.secrets[0])

    def check_form(self, visitor: Visitor, given: str, now: datetime) -> None:
        """Refuse a form that did not come from a page of this session.

        Raises:
            HTTPException: it did not, or the page is older than a session.
        """
        key = self.read(given, Purpose.FORM, now)
        if not isinstance(key, Key) or not visitor.session or key.about != visitor.session:
            raise HTTPException(403, "this page is too old, or not from your session; load it again and answer there")


def is_loopback(host: str) -> bool:
    """Whether an address, or `localhost`, means this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
