"""`interlock serve`: takes webhooks into the inbox."""

import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Annotated

import typer
import uvicorn
from prefect.settings import get_current_settings
from starlette.applications import Starlette

from connectors.settings import Settings
from console.shared import ERR, OUT, explained
from console.web.access import Access, NobodyGuards, is_loopback
from console.web.app import create_app, open_doors
from console.web.lookers import Lookers
from domain.errors import Unavailable
from policies.load import shipped_policies
from policies.webhooks import Signature
from tasks.prefect_secrets import resolved_now
from tasks.private_logs import keep_logs_private
from tasks.resources import Resources

MOST_CONNECTIONS = 1_000
"""More are turned away: with the largest body, each may hold that much memory."""

WAITING_CONNECTIONS = 1_024
"""The system's queue of connections that nobody has taken up yet."""

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter: with Python's 5 ms, the thread that stores waits that
long after each of a transaction's ten statements while requests are read."""

DRAIN_S = 30
"""How long requests in flight may take at the end; they are stored and answered in that time."""

Policies = Annotated[
    list[str] | None,
    typer.Argument(help="Names of shipped policies, or paths of YAML files; if none, the shipped ones."),
]
Host = Annotated[str, typer.Option(help="Address to listen on; by default this machine alone reaches it.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 for any that is free.")]
PublicUrl = Annotated[
    str, typer.Option(envvar="INTERLOCK_PUBLIC_URL", help="What senders call it, such as https://hooks.example.com.")
]

TriggerEvery = Annotated[
    float,
    typer.Option(
        "--trigger-every",
        min=0,
        help="Seconds between two runs that are started for what has come; 0 leaves it to the schedules.",
    ),
]

Reviews = Annotated[bool, typer.Option(help="Serve /reviews, to look through and to decide, and /escalations.")]


Dashboard = Annotated[bool, typer.Option(help="Serve /dashboard, to look at the figures, and /metrics.")]


def serve(
    policies: Policies = None,
    host: Host = "127.0.0.1",
    port: Port = 8710,
    public_url: PublicUrl = "",
    trigger_every: TriggerEvery = 10,
    reviews: Reviews = True,
    dashboard: Dashboard = True,
) -> None:
    """Take webhooks at /intake/POLICY, stored before they are acknowledged; /reviews to decide, /dashboard to look.

    The flows route what was stored when they next run: soon after it came where PREFECT_API_URL
    is set, by their schedules in any case.
    """
    with explained(), _bound(host, port) as listener, _resources(environ := resolved_now(os.environ)) as here:
        doors = open_doors(
            here,
            policies or shipped_here(here, host),
            environ,
            on_loopback=is_loopback(host),
            public_url=public_url,
            trigger_every_s=trigger_every if get_current_settings().api.url else 0,
        )
        address = _address(listener)
        for door in doors.values():
            OUT.print(f"{address}/intake/{door.policy}  ({door.webhook.signature.value})", highlight=False)
        access = _access(environ, host, public_url) if reviews else None
        lookers = _lookers(environ, access, host, public_url) if dashboard else None
        if access is not None:
            OUT.print(f"{address}/reviews  ({_way_in(access)})", highlight=False)
        if lookers is not None:
            OUT.print(f"{address}/dashboard", highlight=False)
        ERR.print("Ctrl-C ends it; what is in flight is stored and answered first.", highlight=False)
        sys.setswitchinterval(SWITCH_S)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # uvicorn takes them while it serves, and raises them again
        server_of(create_app(here, doors, access, lookers), environ).run(sockets=[listener])


def server_of(app: Starlette, environ: Mapping[str, str]) -> uvicorn.Server:
    """What serves the application, and keeps the environment's secrets and personal values out of every log."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # a header that anybody can write says nothing
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=DRAIN_S,
    )
    keep_logs_private(environ)  # only now, as uvicorn has just made handlers of its own
    return uvicorn.Server(config)


def shipped_here(here: Resources, host: str) -> list[str]:
    """The shipped policies whose webhooks are taken at this address; which are left out for it is said."""
    shipped = shipped_policies()
    if is_loopback(host):
        return shipped
    unsigned = [one for one in shipped if here.workflow(one).policy.intake.webhook.signature is Signature.LOOPBACK]
    if unsigned:
        ERR.print(
            f"webhooks are not taken for {', '.join(unsigned)}: whoever reaches this address could send. "
            "Write 'intake.webhook.signature' and 'secrets' into those that shall take them, or listen on loopback.",
            highlight=False,
        )
    return [one for one in shipped if one not in unsigned]


def _access(environ: Mapping[str, str], host: str, public_url: str) -> Access | None:
    """Who may come to the reviews; None, and said, where whoever reaches the address could decide."""
    settings = Settings.of(environ)
    try:
        return Access.configured(settings, on_loopback=is_loopback(host), public_url=public_url)
    except NobodyGuards as exc:
        ERR.print(str(exc), highlight=False)
        return None


def _lookers(environ: Mapping[str, str], access: Access | None, host: str, public_url: str) -> Lookers | None:
    """Who may look at the dashboard; None, and said, where whoever reaches the address could."""
    settings = Settings.of(environ)
    try:
        return Lookers.configured(settings, access, on_loopback=is_loopback(host), public_url=public_url)
    except NobodyGuards as exc:
        ERR.print(str(exc), highlight=False)
        return None


def _way_in(access: Access) -> str:
    ways = [way for way, there in (("links", access.links), ("token", bool(access.token))) if there]
    return " and ".join(ways) or "whoever is on this machine, under the name that they give"


@contextmanager
def _resources(environ: Mapping[str, str]) -> Iterator[Resources]:
    here = Resources.from_environment(environ, ask=False)
    with closing(here.store):
        yield here


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=WAITING_CONNECTIONS)
    except OSError as exc:
        raise Unavailable(f"{host} port {port} cannot be listened on: {exc}. Give another --host or --port.") from exc


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
