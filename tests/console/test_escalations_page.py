"""The page of escalations: what stands, who was told, and taking it over in one's own name."""

import re
from datetime import timedelta

import pytest
from reviewing import Browser, Reviewing

from connectors.store.watch_tables import EscalationRow
from console.web.escalations import PAGE
from domain.escalation import Cause, LadderStep, Why
from domain.people import Channel
from tasks.escalate import acknowledge, escalate

HOSTILE = '<script>alert("x")</script> & <img src=x onerror=alert(1)>'


def happens(desk: Reviewing, subject: str = "crm", message: str = "crm is down", **options: str) -> str:
    """Something that somebody must act on."""
    cause = Cause(options.pop("cause", Cause.SYSTEM_PAUSED))
    with desk.store.transaction() as tx:
        return escalate(tx, cause, subject, "tiny", message, desk.now)


def row(desk: Reviewing, escalation: str) -> EscalationRow:
    with desk.store.reading() as tx:
        found = tx.escalations.get(escalation)
    assert found is not None
    return found


def told(desk: Reviewing, escalation: str, **notices: bool) -> None:
    """Give notices by mail; those that are false reached nobody."""
    with desk.store.transaction() as tx:
        found = tx.escalations.get(escalation)
        assert found is not None
        for turn, (name, reached) in enumerate(notices.items()):
            given = {name: f"op-{turn}"} if reached else {}
            tx.escalations.gave([found], turn, LadderStep(to=name, by=Channel.MAIL), given, Why.BEGUN, desk.now)


def shown(html: str) -> list[str]:
    """The escalations on a page, in their order."""
    return re.findall(r'<li id="(es-\w+)">', html)


def facts(html: str) -> str:
    """What stands on a page, without its marks."""
    return " ".join(re.sub(r"<[^>]*>", " ", html.partition("<main")[2]).split())


async def take(browser: Browser, escalation: str, html: str = "", **changed: str):
    """Press the button of one of them, as it stands on the page."""
    page = html or (await browser.get("/escalations")).text
    form = re.search(
        rf'<form class="take" method="post" action="(/escalations/{escalation}[^"]*)">(.*?)</form>', page, re.DOTALL
    )
    assert form, page
    hidden = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', form[2]))
    return await browser.client.post(form[1].replace("&amp;", "&"), data={**hidden, **changed})


class TestShows:
    async def test_nobody_sees_it_unasked_and_comes_back_to_it_after_signing_in(self, desk):
        happens(desk)
        async with desk.client() as client:
            page = await client.get("/escalations")
            assert page.status_code == 401
            assert "crm is down" not in page.text
            assert 'name="to" value="/escalations"' in page.text
            given = {"name": "Ann", "token": "t" * 32, "to": "/escalations"}
            answer = await client.post("/reviews/login", data=given)
            assert answer.headers["location"] == "/escalations"
            assert "crm is down" in (await client.get("/escalations")).text

    async def test_the_queue_says_how_many_stand(self, desk):
        browser = await desk.signed_in()
        assert 'href="/escalations">Escalations</a>' in (await browser.get("/reviews")).text
        happens(desk), happens(desk, "help desk")
        html = (await browser.get("/reviews")).text
        assert 'href="/escalations">Escalations <span class="count">2</span></a>' in html

    async def test_what_happened_since_when_how_often_and_who_was_told(self, desk):
        first = happens(desk)
        desk.later(minutes=90)
        happens(desk)
        told(desk, first, Ann=True, Ben=False)
        html = (await (await desk.signed_in()).get("/escalations")).text
        text = facts(html)
        assert "1 waits for somebody to take it over" in text
        assert "crm is down" in text
        assert f"since {desk.now - timedelta(minutes=90):%Y-%m-%d %H:%M} UTC , 1 hour ago" in text
        assert "seen 2 times" in text
        assert "told: Ann by mail, Ben by mail (not reached)" in text

    async def test_nothing_stands(self, desk):
        html = (await (await desk.signed_in()).get("/escalations")).text
        assert "Nothing waits to be taken over." in html
        assert "Take over" not in html

    async def test_a_late_review_is_a_step_away_and_what_nobody_was_told_of_is_said(self, desk):
        review = desk.ask()
        happens(desk, review, "nobody answered", cause=Cause.REVIEW_LATE)
        html = (await (await desk.signed_in()).get("/escalations")).text
        assert f'<a href="/reviews/{review}">To the review</a>' in html
        assert "nobody was told so far" in html

    async def test_the_oldest_come_first_and_pages_leave_none_out_though_others_take_some_over(self, desk):
        began = []
        for number in range(2 * PAGE + 3):
            began.append(happens(desk, f"system {number:02}"))
            desk.later(minutes=number % 2)  # some begin at the same moment
        browser, seen, path = await desk.signed_in(), [], "/escalations"
        for _ in range(5):
            html = (await browser.get(path)).text
            seen += shown(html.partition('id="taken"')[0])
            following = re.search(r'rel="next" href="([^"]*)"', html)
            if following is None:
                break
            path = following[1].replace("&amp;", "&")
            with desk.store.transaction() as tx:
                acknowledge(tx, seen[0], "Ben", desk.now)
        assert sorted(seen) == sorted(began)
        at = [row(desk, one).began_at for one in seen]
        assert at == sorted(at)

    async def test_what_was_taken_over_and_is_not_over_stands_below_with_whose_it_is(self, desk):
        mine, other = happens(desk, "crm"), happens(desk, "mail", "mail is down")
        with desk.store.transaction() as tx:
            acknowledge(tx, mine, "Ben", desk.now)
        html = (await (await desk.signed_in()).get("/escalations")).text
        assert shown(html) == [other, mine]
        assert "taken over by Ben" in facts(html)
        with desk.store.transaction() as tx:
            tx.escalations.resolve(Cause.SYSTEM_PAUSED, "crm", "it answers", desk.now)
        assert shown((await (await desk.signed_in()).get("/escalations")).text) == [other]

    async def test_hostile_words_stay_words(self, desk):
        taken = happens(desk, HOSTILE, HOSTILE)
        told(desk, taken, **{HOSTILE: True})
        browser = await desk.signed_in(f"{HOSTILE} Ann", proven=False)
        pages = [(await browser.get(f"/escalations?after={HOSTILE}&done={HOSTILE}")).text]
        await take(browser, taken)
        pages.append((await browser.get(f"/escalations?done={taken}")).text)
        assert all("<script>" not in html and "<img" not in html for html in pages)


class TestTakesOver:
    @pytest.mark.parametrize(("proven", "how"), [(True, "link"), (False, "claimed")])
    async def test_a_post_takes_it_over_in_the_visitors_name(self, desk, proven, how):
        here = happens(desk)
        browser = await desk.signed_in("Ann Lee", proven=proven)
        answer = await take(browser, here)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/escalations?done={here}")
        page = (await browser.get(answer.headers["location"])).text
        assert "crm is down: Ann Lee has taken it over. Nobody else is told." in page
        (entry,) = [entry for entry in desk.entries(here) if entry.event == "acknowledged"]
        assert (entry.facts["by"], entry.facts["proven"]) == ("Ann Lee", how)

    async def test_looking_takes_nothing_over(self, desk):
        here, browser = happens(desk), await desk.signed_in()
        for method in ("GET", "HEAD"):
            assert (await browser.client.request(method, "/escalations")).status_code == 200
            assert (await browser.client.request(method, f"/escalations/{here}")).status_code == 405
        assert row(desk, here).acknowledged_at is None

    async def test_whoever_was_faster_is_named(self, desk):
        here = happens(desk)
        ann, ben = await desk.signed_in("Ann"), await desk.signed_in("Ben")
        html = (await ben.get("/escalations")).text
        await take(ann, here)
        late = await take(ben, here, html)
        assert late.status_code == 409
        assert "crm is down: Ann has taken it over." in facts(late.text)
        assert row(desk, here).acknowledged_by == "Ann"
        assert desk.events(here).count("acknowledged") == 1

    async def test_what_is_over_meanwhile_is_said(self, desk):
        here, ann = happens(desk), await desk.signed_in("Ann")
        html = (await ann.get("/escalations")).text
        with desk.store.transaction() as tx:
            tx.escalations.resolve(Cause.SYSTEM_PAUSED, "crm", "it answers", desk.now)
        late = await take(ann, here, html)
        assert (late.status_code, "crm is down: It is over." in late.text) == (409, True)

    async def test_a_second_press_is_no_fault(self, desk):
        here, ann = happens(desk), await desk.signed_in("Ann")
        html = (await ann.get("/escalations")).text
        assert [(await take(ann, here, html)).status_code for _ in range(2)] == [303, 303]
        assert desk.events(here).count("acknowledged") == 1

    async def test_one_that_there_never_was_is_not_found(self, desk):
        here, ann = happens(desk), await desk.signed_in("Ann")
        html = (await ann.get("/escalations")).text.replace(f"/escalations/{here}", "/escalations/es-none")
        assert (await take(ann, "es-none", html)).status_code == 404

    async def test_without_a_session_or_with_another_ones_form_nothing_happens(self, desk):
        here, ann, mallory = happens(desk), await desk.signed_in("Ann"), await desk.signed_in("Mallory")
        theirs = (await mallory.get("/escalations")).text
        assert (await take(ann, here, theirs)).status_code == 403
        assert (await take(ann, here, form="x.y")).status_code == 403
        async with desk.client() as client:
            assert (await client.post(f"/escalations/{here}", data={"form": "x.y"})).status_code == 401
        assert row(desk, here).acknowledged_at is None

    @pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
    async def test_another_site_cannot_press_the_button(self, desk, headers):
        here, ann = happens(desk), await desk.signed_in("Ann")
        ann.client.headers.update(headers)
        assert (await take(ann, here)).status_code == 403
        assert row(desk, here).acknowledged_at is None

    async def test_the_key_of_a_link_to_one_review_takes_nothing_over(self, desk):
        review, here = desk.ask(), happens(desk)
        key = desk.link(review).partition("?key=")[2]
        async with desk.client() as client:
            assert (await client.get(f"/escalations?key={key}")).status_code == 401
            assert (await client.post(f"/escalations/{here}", data={"key": key, "form": key})).status_code == 401
        assert row(desk, here).acknowledged_at is None

    async def test_whoever_signs_out_is_out_here_too(self, desk):
        ann = await desk.signed_in()
        form_key = re.search(r'name="form" value="([^"]*)"', (await ann.get("/reviews")).text)
        assert form_key
        await ann.client.post("/reviews/logout", data={"form": form_key[1]})
        assert (await ann.get("/escalations")).status_code == 401


class TestTheWayBack:
    async def test_who_opens_a_plain_address_comes_to_that_review_after_signing_in(self, desk):
        review = desk.ask()
        async with desk.client() as client:
            page = await client.get(f"/reviews/{review}", headers={"sec-fetch-site": "cross-site"})
            assert f'<a href="/reviews/{review}">Signed in already? Go on.</a>' in page.text
            to = re.search(r'name="to" value="([^"]*)"', page.text)
            assert to
            answer = await client.post("/reviews/login", data={"name": "Ann", "token": "t" * 32, "to": to[1]})
        assert answer.headers["location"] == f"/reviews/{review}"

    @pytest.mark.parametrize(
        "to",
        [
            "https://evil.example",
            "//evil.example",
            "/reviews//evil.example",
            "/reviews/login",
            "/intake/tiny",
            "/\\evil",
            "",
        ],
    )
    async def test_nobody_is_sent_anywhere_else(self, desk, to):
        async with desk.client() as client:
            answer = await client.post("/reviews/login", data={"name": "Ann", "token": "t" * 32, "to": to})
        assert answer.headers["location"] == "/reviews"
