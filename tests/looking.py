"""The dashboard in this process, as somebody's browser sees it."""

import re

import httpx
from fakes import FakeSystem, fake_resources
from reviewing import SECRET, TOKEN, Reviewing

from connectors.settings import Settings
from console.web.access import Access
from console.web.app import create_app
from console.web.lookers import Lookers

LOOK = "k" * 32
SETTINGS = {"link_secret": SECRET, "reviewers_token": TOKEN, "dashboard_token": LOOK}
HERE = "http://127.0.0.1:8710"


def lookers(*, on_loopback: bool = True, reviewers: bool = True, **settings: object) -> Lookers:
    given = Settings.model_validate(settings)
    access = Access.configured(given, on_loopback=on_loopback, public_url="") if reviewers else None
    return Lookers.configured(given, access, on_loopback=on_loopback, public_url="")


def client(desk: Reviewing, store: object = None, base_url: str = HERE, **settings: object) -> httpx.AsyncClient:
    """A browser that has not been here before."""
    given = Settings.model_validate(settings)
    here = fake_resources(store or desk.store, None, FakeSystem(), clock=lambda: desk.now)
    here.settings = given
    looking = lookers(**settings)
    transport = httpx.ASGITransport(create_app(here, {}, looking.reviewers, looking), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base_url)


async def html_of(desk: Reviewing, path: str = "/dashboard", **settings: object) -> str:
    async with client(desk, **settings) as browser:
        answer = await browser.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text


def tiles(html: str) -> dict[str, tuple[str, str, str]]:
    """By figure: its value, what it is made of, and where it leads."""
    found = re.findall(r'<a href="([^"]*)"><span class="name">(.*?)</span> <b>(.*?)</b> <small>(.*?)</small>', html)
    return {name: (value, note, href.replace("&amp;", "&")) for href, name, value, note in found}
