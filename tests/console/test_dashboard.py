"""The dashboard: who may look, what it says, and the way from each figure to its items and their stories."""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from looking import LOOK, SETTINGS, client, html_of, lookers, tiles
from playwright.sync_api import sync_playwright
from prefect_ui import FLAGS, chromium
from reviewing import OPEN, SECRET, TOKEN, Reviewing, served

from connectors.settings import Settings
from console.web.access import NobodyGuards
from console.web.lookers import Lookers
from console.web.overview import LISTS
from domain.account import Account
from domain.errors import PolicyInvalid, Unavailable
from domain.figures import Slice, Work
from tasks.heartbeat import STALE_AFTER


def beat(desk: Reviewing, policy: str = "tiny") -> None:
    with desk.store.transaction() as tx:
        tx.heartbeats.beat(f"watch:{policy}", desk.now)


class Away:
    """A store whose database does not answer."""

    @contextmanager
    def reading(self):
        raise Unavailable("the database does not answer")
        yield


class TestWhoMayLook:
    async def test_on_this_machine_alone_whoever_is_on_it(self, desk):
        async with client(desk) as browser:
            assert (await browser.get("/dashboard")).status_code == 200
            assert (await browser.get("/metrics")).status_code == 200
            proxied = await browser.get("/dashboard", headers={"X-Forwarded-For": "1.2.3.4"})
            assert proxied.status_code == 403

    @pytest.mark.parametrize(
        "path", ["/dashboard", "/dashboard/items", "/dashboard/items/it-1", "/dashboard/consistency"]
    )
    async def test_with_a_token_nobody_without_it(self, desk, path):
        desk.ask()
        async with client(desk, **SETTINGS) as browser:
            answer = await browser.get(path)
            assert answer.status_code == 401
            assert "Completion" not in answer.text

    async def test_the_token_opens_the_dashboard_and_no_review(self, desk):
        desk.ask()
        async with client(desk, **SETTINGS) as browser:
            refused = await browser.post("/dashboard/login", data={"token": "no" * 16})
            assert (refused.status_code, "not the dashboard" in refused.text) == (403, True)
            answer = await browser.post("/dashboard/login", data={"token": LOOK})
            assert answer.headers["location"] == "/dashboard"
            page = await browser.get("/dashboard")
            assert page.status_code == 200
            cookie = browser.cookies["interlock_looker"]
            stolen = {"Cookie": f"interlock_reviewer={cookie}"}
            assert (await browser.get("/reviews", headers=stolen)).status_code == 401
            assert (await browser.get("/escalations", headers=stolen)).status_code == 401
            bearer = {"Authorization": f"Bearer {cookie}"}
            assert (await browser.get("/api/reviews", headers=bearer)).status_code == 401
            key = re.search(r'name="form" value="([^"]*)"', page.text)
            assert key
            out = await browser.post("/dashboard/logout", data={"form": key[1]})
            assert out.status_code == 303
            browser.cookies.clear()
            assert (await browser.get("/dashboard")).status_code == 401

    @pytest.mark.parametrize(("secret", "status"), [(SECRET, 200), ("o" * 32, 401)])
    async def test_a_session_holds_at_every_server_of_the_installation_and_at_no_other(self, desk, secret, status):
        async with client(desk, **SETTINGS) as browser:
            await browser.post("/dashboard/login", data={"token": LOOK})
            cookies = {"interlock_looker": browser.cookies["interlock_looker"]}
        async with client(desk, **SETTINGS | {"link_secret": secret}) as browser:
            browser.cookies.update(cookies)
            assert (await browser.get("/dashboard")).status_code == status

    async def test_reviewers_look_too_and_come_back_after_signing_in(self, desk):
        async with client(desk, **SETTINGS) as browser:
            asked = await browser.get("/reviews/login?to=/dashboard")
            assert 'name="to" value="/dashboard"' in asked.text
            given = {"name": "Ann", "token": TOKEN, "to": "/dashboard"}
            answer = await browser.post("/reviews/login", data=given)
            assert answer.headers["location"] == "/dashboard"
            page = await browser.get("/dashboard")
            assert 'href="/reviews"' in page.text
            assert "Ann" in page.text

    async def test_a_proxys_header_is_believed_only_when_told_so(self, desk):
        named = {"X-Auth-Email": "ann@example.com"}
        async with client(desk, **SETTINGS) as browser:
            assert (await browser.get("/dashboard", headers=named)).status_code == 401
        async with client(desk, **SETTINGS, proxy_user_header="X-Auth-Email") as browser:
            page = await browser.get("/dashboard", headers=named)
            assert (page.status_code, "ann@example.com" in page.text) == (200, True)
            assert (await browser.get("/dashboard")).status_code == 401

    async def test_programs_read_metrics_with_the_token(self, desk):
        async with client(desk, **SETTINGS) as browser:
            assert (await browser.get("/metrics")).status_code == 401
            wrong = await browser.get("/metrics", headers={"Authorization": "Bearer " + "x" * 32})
            assert wrong.status_code == 401
            answer = await browser.get("/metrics", headers={"Authorization": f"Bearer {LOOK}"})
            assert answer.status_code == 200

    def test_elsewhere_than_on_loopback_it_is_not_served_unguarded(self):
        with pytest.raises(NobodyGuards, match="INTERLOCK_DASHBOARD_TOKEN"):
            lookers(on_loopback=False, reviewers=False)
        assert lookers(on_loopback=False, reviewers=False, dashboard_token=LOOK).mine.is_open is False

    def test_a_token_that_can_be_guessed_is_refused(self):
        with pytest.raises(PolicyInvalid, match="shorter than 32"):
            lookers(dashboard_token="short")


class TestFigures:
    async def test_before_anything_came_in(self, desk):
        html = await html_of(desk)
        assert "Nothing came in in this time" in html
        assert {value for value, _, _ in tiles(html).values()} <= {"–", "0"}

    async def test_say_what_became_of_items_and_lead_to_them(self, desk):
        desk.ask("m-1")
        desk.ask("m-2")
        shown = tiles(await html_of(desk))
        assert shown["Completion rate"][:2] == ("0 %", "0 of 2 done")
        assert shown["Automation rate"][:2] == ("0 %", "0 of 2 decided without a person")
        async with client(desk) as browser:
            for _, _, href in shown.values():
                if not href.startswith("/reviews"):  # one signs in there first
                    assert (await browser.get(href.partition("#")[0])).status_code == 200, href
            listed = await browser.get("/dashboard/items?of=undone")
            item = re.search(r'href="(/dashboard/items/it-[^"]*)"', listed.text)
            assert item
            story = await browser.get(item[1])
            assert "was stored for tiny" in story.text

    async def test_of_a_time_are_of_what_came_in_then(self, desk):
        desk.ask("m-1")
        desk.later(days=10)
        desk.ask("m-2")
        for period, count in (("24h", 1), ("7d", 1), ("30d", 2), ("all", 2)):
            assert (
                tiles(await html_of(desk, f"/dashboard?period={period}"))["Completion rate"][1] == f"0 of {count} done"
            )

    async def test_a_policy_is_told_by_its_routes(self, desk):
        desk.ask("m-1", label="access")
        html = await html_of(desk, "/dashboard?policy=tiny")
        assert 'href="/dashboard?policy=tiny&amp;route=access&amp;period=7d">access</a>' in html
        assert "By route" in html

    async def test_cost_what_the_prices_say_and_tokens_without(self, desk):
        desk.ask("m-1")
        assert "Tokens per decision" in tiles(await html_of(desk))
        priced = tiles(await html_of(desk, price_prompt=1, price_completion=2, price_currency="EUR"))
        assert priced["Cost per decision"][0].endswith("EUR")

    async def test_unaccounted_items_are_red(self, desk):
        for done, bad in ((2, False), (1, True)):
            with desk.store.transaction() as tx:
                account = Account(accepted=2, done=done, waiting=0, escalated=0, dead_lettered=0)
                tx.figures.balanced("tiny", account, desk.now)
            html = await html_of(desk)
            assert tiles(html)["Unaccounted"][0] == str(2 - done)
            assert ('<li class="bad">' in html) is bad

    async def test_a_watch_that_is_dead_is_told(self, desk):
        desk.ask()
        assert "Nobody watches over tiny" in await html_of(desk)
        beat(desk)
        assert "Nobody watches over" not in await html_of(desk)
        desk.later(minutes=STALE_AFTER / timedelta(minutes=1) + 1)
        assert "Nobody watches over tiny" in await html_of(desk)

    async def test_what_an_address_asks_for_and_is_not_there_is_left_out(self, desk):
        html = await html_of(desk, "/dashboard?period=x&policy=%3Cscript%3E&route=%22")
        assert "<script>" not in html.partition("<main")[2]
        assert await html_of(desk, "/dashboard/items?of=x&after=99999999999999999999.it")

    async def test_a_database_that_is_away_is_said(self, desk):
        async with client(desk, store=Away()) as browser:
            answer = await browser.get("/dashboard")
        assert answer.status_code == 503
        assert "The database does not answer" in answer.text


class TestStories:
    async def test_what_was_proposed_is_withheld_from_who_decides_blindly(self, desk):
        desk.ask("m-1", blind=True, label="access")
        html = await html_of(desk, "/dashboard/items")
        assert "access" not in html.partition("<main")[2]

    async def test_an_item_that_is_not_there(self, desk):
        async with client(desk) as browser:
            assert (await browser.get("/dashboard/items/it-none")).status_code == 404

    async def test_lead_to_the_run_in_prefect(self, desk):
        review = desk.ask("m-1")
        with desk.store.transaction() as tx:
            tx.reviews.shown(review, "0199-abc", desk.now)
        html = await html_of(desk, f"/dashboard/items/{desk.row(review).item_id}")
        assert "run 0199-abc" in html or "/runs/flow-run/0199-abc" in html
        assert re.search(r"run run\b|flow-run/run\"", html), "the run that decided is named too"


class TestMetrics:
    async def test_are_prometheus_text(self, desk):
        desk.ask("m-1")
        beat(desk)
        async with client(desk) as browser:
            answer = await browser.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'interlock_items_accepted_total{policy="tiny",route="access"} 1.0' in answer.text
        assert 'interlock_reviews_waiting{kind="route",policy="tiny"} 1.0' in answer.text
        assert "interlock_escalations_open 0.0" in answer.text


@pytest.mark.real
@pytest.mark.skipif(chromium() is None, reason="Chromium left out: it is not installed")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1120), ("dark", 390)])
def test_in_a_browser_it_fits_with_no_network_and_each_figure_can_be_followed(desk, scheme, width):
    desk.ask("m-1")
    looking = Lookers.configured(Settings.model_validate({}), OPEN, on_loopback=True, public_url="")
    with served(desk, looking=looking) as address, sync_playwright() as web:
        browser = web.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/dashboard")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("figure svg rect").count() > 0
        page.get_by_role("link", name="Completion rate").click()
        page.get_by_role("link", name="Back to the figures").click()
        page.get_by_role("link", name=re.compile("not done yet")).click()
        page.locator("ol.rows a").first.click()
        assert "was stored for tiny" in page.locator("main").inner_text()
        assert said == []
        assert all(url.startswith(address) for url in asked)
        browser.close()


def test_every_list_has_a_name():
    assert set(LISTS) == {*Slice, *Work}
