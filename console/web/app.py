"""The web application: its routes, how its errors read, and what runs as long as it does."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.webhooks import open_scheme
from console.web.access import PAGES, Access
from console.web.dashboard import dashboard_routes
from console.web.escalations import escalation_routes
from console.web.group_commit import GroupCommit
from console.web.intake import Door, Intake
from console.web.lookers import Lookers
from console.web.render import page
from console.web.reviews import review_routes, static
from console.web.reviews_api import ReviewsApi
from console.web.trigger import Trigger
from domain.errors import PolicyInvalid, Retryable
from policies.load import Workflow
from tasks.accept import admit
from tasks.heartbeat import unwatched
from tasks.resources import Resources
from tasks.trigger import Start, start_route

LOG = logging.getLogger("interlock.intake")

HEALTH_S = 5.0
"""A database that takes longer is as good as away."""


def open_doors(
    here: Resources,
    policies: Sequence[str],
    environ: Mapping[str, str],
    *,
    on_loopback: bool,
    public_url: str,
    trigger_every_s: float = 0,
) -> dict[str, Door]:
    """A way in for each policy, by its name.

    Args:
        policies: names of shipped policies, or paths of YAML files.
        on_loopback, public_url: as `open_scheme` takes them.
        trigger_every_s: shortest time between two runs that are started for what has come; 0 starts none.

    Raises:
        PolicyInvalid: a policy is wrong, two have one name, or its senders cannot be trusted.
    """
    doors: dict[str, Door] = {}
    for reference in policies:
        workflow = here.workflow(reference)
        name, webhook = workflow.policy.name, workflow.policy.intake.webhook
        if name in doors:
            raise PolicyInvalid(f"{workflow.path}: another policy is called '{name}' too. Give each its own name.")
        try:
            scheme = open_scheme(webhook, environ, on_loopback=on_loopback, public_url=public_url)
        except PolicyInvalid as exc:
            raise PolicyInvalid(f"{workflow.path}: {exc}") from exc
        commits = GroupCommit(partial(admit, here, reference))
        trigger = Trigger(name, partial(_start, here, workflow), trigger_every_s) if trigger_every_s else None
        doors[name] = Door(name, webhook, scheme, commits, public_url.rstrip("/"), trigger)
    return doors


async def _start(here: Resources, workflow: Workflow) -> Start:
    return await start_route(workflow, here.now())


def create_app(
    here: Resources, doors: Mapping[str, Door], access: Access | None = None, lookers: Lookers | None = None
) -> Starlette:
    """The application; it stores what came in before it ends.

    Args:
        access: who may see and decide reviews; None where they are not served.
        lookers: who may look at the dashboard; None where it is not served.
    """

    @asynccontextmanager
    async def committing(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for door in doors.values():
                if door.trigger is not None:
                    await stack.enter_async_context(door.trigger.running())
                await stack.enter_async_context(door.commits.running())
            yield

    async def health(_request: Request) -> JSONResponse:
        try:
            async with asyncio.timeout(HEALTH_S):
                stale = await asyncio.to_thread(_unwatched, here)
        except Exception as exc:  # noqa: BLE001  whatever it is, this is where it is told
            LOG.warning("not healthy: %s %s", type(exc).__name__, exc)
            return JSONResponse({"status": "unavailable", "database": "does not answer"}, 503)
        told = {"unwatched": stale} if stale else {}
        return JSONResponse({"status": "ok", "database": "reachable", **told})

    app = Starlette(
        routes=[
            Route("/intake/{policy}", Intake(doors, here.now).receive, methods=["POST"]),
            Route("/healthz", health, methods=["GET"]),
            Route("/reviews/static/{name}", static),
            *([] if access is None else _people_routes(here, access)),
            *([] if lookers is None else dashboard_routes(here, lookers)),
        ],
        exception_handlers={HTTPException: _refused, Retryable: _later, PolicyInvalid: _broken},
        lifespan=committing,
    )
    app.router.redirect_slashes = False  # a sender that follows no redirect would lose what it sent
    return app


def _people_routes(here: Resources, access: Access) -> list[Route]:
    return [*ReviewsApi(here, access).routes(), *review_routes(here, access), *escalation_routes(here, access)]


def _unwatched(here: Resources) -> list[str]:
    """The policies that nobody watches over any more; also a look whether the ledger can be read."""
    with here.store.reading() as tx:
        tx.ledger.head()
        return sorted(unwatched(tx, here.now()))


async def _refused(request: Request, exc: Exception) -> Response:
    error = exc if isinstance(exc, HTTPException) else HTTPException(500)
    if _is_page(request):
        return page("told", error.status_code, heading="That did not work", text=error.detail)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _later(request: Request, exc: Exception) -> Response:
    after_s = exc.retry_after_s if isinstance(exc, Retryable) and exc.retry_after_s else 1
    wait = {"Retry-After": str(math.ceil(after_s))}
    if _is_page(request):
        return page("told", 503, heading="Not now", text="The database does not answer. Try again in a moment.")
    says = f"not stored: {type(exc).__name__.lower()}; send it again, with the same id"
    return JSONResponse({"error": says}, 503, headers=wait)


async def _broken(request: Request, exc: Exception) -> Response:
    LOG.error("a policy cannot be used: %s", exc)
    text = "The policy file that this needs cannot be used at the moment; the server's log says why."
    if _is_page(request):
        return page("told", 500, heading="Not now", text=text)
    return JSONResponse({"error": text}, 500)


def _is_page(request: Request) -> bool:
    """Whether a person looks at what is answered."""
    return request.url.path.startswith(PAGES)
