"""Who may look at the dashboard: reviewers, whoever has its own token, and whom a trusted proxy names.

The token shows and decides nothing: its session opens no page on which anything can be pressed.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from secrets import token_bytes

from starlette.requests import Request

from connectors.links import link_secrets
from connectors.settings import Settings
from console.web.access import DASHBOARD, SHORTEST_TOKEN, Access, NobodyGuards, Visitor
from domain.errors import PolicyInvalid
from domain.keys import Purpose

NO_LOOK = (
    "the dashboard is not served: whoever reaches this address could look. Set INTERLOCK_DASHBOARD_TOKEN (at least "
    f"{SHORTEST_TOKEN} characters), or what lets reviewers in, or listen on loopback."
)


@dataclass(frozen=True)
class Lookers:
    """How people come to the dashboard.

    Attributes:
        mine: the dashboard's own token, sessions and forms.
        reviewers: how reviewers come in, who may look too; None where reviews are not served.
        header: in which a proxy says who is signed in; empty where none is believed.
    """

    mine: Access
    reviewers: Access | None
    header: str

    @classmethod
    def configured(
        cls, settings: Settings, reviewers: Access | None, *, on_loopback: bool, public_url: str
    ) -> "Lookers":
        """The way in that the environment asks for.

        Raises:
            NobodyGuards: it would let anybody in.
            PolicyInvalid: the token, or a secret, is too short.
        """
        token, header = settings.dashboard_token.get_secret_value(), settings.proxy_user_header
        if token and len(token) < SHORTEST_TOKEN:
            raise PolicyInvalid(f"INTERLOCK_DASHBOARD_TOKEN is shorter than {SHORTEST_TOKEN} characters")
        guarded = bool(token or header) or (reviewers is not None and not reviewers.is_open)
        if not guarded and (not on_loopback or public_url):
            raise NobodyGuards(NO_LOOK)
        secrets = link_secrets(settings) or (token_bytes(32),)  # the installation's: its other servers open them too
        mine = Access(secrets, False, token, not guarded, public_url.rstrip("/"))
        mine = replace(mine, pages=(DASHBOARD,), cookie="interlock_looker", session=Purpose.LOOK)
        return cls(mine, reviewers, header)

    def visitor(self, request: Request, now: datetime) -> Visitor | None:
        """Who looks; None where nobody is signed in.

        Raises:
            HTTPException: the request may not come here at all.
        """
        self.mine.check_caller(request)
        if self.header and (name := " ".join(request.headers.get(self.header, "").split())[:200]):
            return Visitor(name, proven=True)
        if self.reviewers is not None and (reviewer := self.reviewers.visitor(request, now)):
            return reviewer
        return self.mine.visitor(request, now) or (Visitor("", proven=False) if self.mine.is_open else None)

    def may_read(self, request: Request, now: datetime) -> bool:
        """Whether a program may read the figures: by the dashboard's or the reviewers' token, or as a visitor."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.mine.knows(given) or (self.reviewers is not None and self.reviewers.knows(given))
        return self.visitor(request, now) is not None

    def is_reviewer(self, request: Request, now: datetime) -> bool:
        """Whether it is a reviewer in a session, who may go on to what waits."""
        return self.reviewers is not None and self.reviewers.visitor(request, now) is not None
