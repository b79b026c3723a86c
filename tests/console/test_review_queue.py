"""The queue: who sees it, what it shows, what is decided from it."""

import re
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from reviewing import PUBLIC, TOKEN, Browser, form_of
from tiny import write_tiny

from connectors.links import login_link
from console.web.shown import PAGE
from domain.extraction import By, Extraction, Found, Ground

HOSTILE = '<script>alert("x")</script> & <img src=x onerror=alert(1)>'
MINUTE = timedelta(minutes=1)


def rows(html: str) -> list[str]:
    """The reviews on a page of the queue, in their order."""
    return re.findall(r'<a class="words" dir="auto" href="/reviews/([^"?]*)', html)


class TestSigningIn:
    async def test_nobody_sees_the_queue_or_a_review_unasked(self, desk):
        review = desk.ask()
        async with desk.client() as client:
            for path in ("/reviews", f"/reviews/{review}", f"/reviews/{review}/same"):
                page = await client.get(path)
                assert page.status_code == 401
                assert "hello there" not in page.text
            for path in (f"/reviews/{review}", f"/reviews/{review}/same"):
                assert (await client.post(path, data={"choice": "billing"})).status_code == 401
        assert desk.row(review).answered_at is None

    async def test_the_token_and_a_name_sign_in_and_the_name_counts_as_claimed(self, desk):
        browser = await desk.signed_in("Ann Lee", proven=False)
        page = await browser.get("/reviews")
        assert "Ann Lee" in page.text
        assert "(as given)" in page.text

    async def test_a_link_signs_in_and_the_name_counts_as_proven(self, desk):
        browser = await desk.signed_in("ann@example.com")
        assert "(proven by a link)" in (await browser.get("/reviews")).text

    async def test_pressing_the_link_signs_nobody_in(self, desk):
        path = login_link(desk.settings, "Ann", desk.now).removeprefix(PUBLIC)
        async with desk.client() as client:
            page = await client.get(path)
            assert "Go on as Ann" in page.text
            assert "set-cookie" not in page.headers
            assert (await client.get("/reviews")).status_code == 401

    async def test_a_link_signs_in_once(self, desk):
        key = login_link(desk.settings, "Ann", desk.now).partition("?key=")[2]
        async with desk.client() as client, desk.client() as other:
            assert (await client.post("/reviews/login", data={"key": key})).status_code == 303
            again = await other.post("/reviews/login", data={"key": key})
        assert again.status_code == 403
        assert "used before" in again.text

    @pytest.mark.parametrize(
        ("form", "status", "why"),
        [
            ({"name": "Ann", "token": TOKEN[:-1]}, 403, "not the reviewers"),
            ({"name": "Ann"}, 403, "not the reviewers"),
            ({"name": "  ", "token": TOKEN}, 422, "fill in your name"),
            ({"key": "x.y"}, 403, "used before, or is over"),
        ],
    )
    async def test_anything_else_signs_nobody_in(self, desk, form, status, why):
        async with desk.client() as client:
            answer = await client.post("/reviews/login", data=form)
        assert answer.status_code == status
        assert why in answer.text
        assert "set-cookie" not in answer.headers

    async def test_without_a_token_of_the_installation_an_empty_one_is_none(self, desk):
        async with desk.without(reviewers_token=SecretStr("")).client() as client:
            assert "password" not in (await client.get("/reviews/login")).text
            assert (await client.post("/reviews/login", data={"name": "Ann", "token": ""})).status_code == 403

    async def test_another_site_can_sign_nobody_in(self, desk):
        async with desk.client() as client:
            given = {"name": "Mallory", "token": TOKEN}
            answer = await client.post("/reviews/login", data=given, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403

    async def test_whoever_signs_out_is_out(self, desk):
        browser = await desk.signed_in()
        html = (await browser.get("/reviews")).text
        form_key = re.search(r'name="form" value="([^"]*)"', html)[1]
        assert (await browser.client.post("/reviews/logout", data={"form": form_key})).status_code == 303
        assert (await browser.get("/reviews")).status_code == 401

    async def test_who_comes_from_elsewhere_and_is_signed_in_is_shown_the_way(self, desk):
        async with desk.client() as client:
            page = await client.get("/reviews", headers={"sec-fetch-site": "cross-site"})
        assert "Signed in already? Go on." in page.text

    async def test_on_loopback_with_nothing_set_a_name_is_enough(self, desk):
        open_to_all = desk.without(link_secret=SecretStr(""), reviewers_token=SecretStr(""))
        async with open_to_all.client("http://127.0.0.1:8710") as client:
            assert (await client.post("/reviews/login", data={"name": "Ann"})).status_code == 303
            assert (await client.get("/reviews")).status_code == 200
            assert (await client.get("/reviews", headers={"host": "evil.example"})).status_code == 403


class TestShows:
    async def test_the_most_urgent_comes_first(self, desk):
        later, late, soon = (desk.ask(f"m-{n}", f"text {n}", due_in=n * MINUTE) for n in (90, -5, 30))
        html = (await (await desk.signed_in()).get("/reviews")).text
        assert rows(html) == [late, soon, later]
        assert "late by 5 minutes" in html
        assert "3 wait, " in html

    async def test_nothing_waits(self, desk):
        assert "Nothing waits for a person." in (await (await desk.signed_in()).get("/reviews")).text

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("", ["late", "soon", "old", "much"]),
            ("?age=late", ["late"]),
            ("?age=soon", ["late", "soon"]),
            ("?age=old", ["old"]),
            ("?policy=tiny&kind=route", ["late", "soon", "old", "much"]),
            ("?policy=another", []),
            ("?kind=action", []),
        ],
    )
    async def test_filters(self, desk, query, shown):
        wanted = {
            "late": desk.ask("late", "a", due_in=-MINUTE),
            "soon": desk.ask("soon", "b", due_in=30 * MINUTE),
            "old": desk.ask("old", "c", due_in=120 * MINUTE, opened=timedelta(days=2)),
            "much": desk.ask("much", "d", due_in=300 * MINUTE),
        }
        html = (await (await desk.signed_in()).get(f"/reviews{query}")).text
        assert rows(html) == [wanted[name] for name in shown]

    async def test_what_was_given_to_me(self, desk):
        mine, other = desk.ask("m-1", "a"), desk.ask("m-2", "b")
        with desk.store.transaction() as tx:
            tx.reviews.get(mine).assignee, tx.reviews.get(other).assignee = "Ann Lee", "Bob"
        html = (await (await desk.signed_in("Ann Lee")).get("/reviews?mine=yes")).text
        assert rows(html) == [mine]
        assert "with Ann Lee" in html

    async def test_pages_follow_each_other_without_a_gap_or_a_repetition_though_others_decide(self, desk):
        asked = [desk.ask(f"m-{n}", f"text {n}", due_in=(n // 3) * MINUTE + MINUTE) for n in range(2 * PAGE + 3)]
        browser, seen, path = await desk.signed_in(), [], "/reviews?policy=tiny"
        for _ in range(5):
            html = (await browser.get(path)).text
            seen += rows(html)
            following = re.search(r'rel="next" href="([^"]*)"', html)
            if following is None:
                break
            path = following[1].replace("&amp;", "&")
            assert "policy=tiny" in path
            with desk.store.transaction() as tx:  # somebody decides what was seen
                tx.reviews.get(seen[0]).answered_at = desk.now
        assert len(seen) == len(set(seen)) == len(asked)
        assert set(seen) == set(asked)

    async def test_a_blind_check_shows_no_proposal_anywhere(self, desk):
        review = desk.ask(label="access", blind=True)
        desk.ask("m-2", label="access", blind=True)
        browser = await desk.signed_in()
        pages = [
            (await browser.get(path)).text for path in ("/reviews", f"/reviews/{review}", f"/reviews/{review}/same")
        ]
        assert "proposed" not in pages[0]
        assert all(
            "checked" not in re.sub(r'name="each"[^>]*', "", page).replace('class="every" type="checkbox" checked', "")
            for page in pages
        )
        assert all("Model" not in page for page in pages)

    async def test_the_evidence_is_marked_where_it_stands(self, desk):
        text = "I am <b>Ann</b> of Nordwind."
        at = text.index("Nordwind")
        found = Found(value="Nordwind", start=at, end=at + 8, by=By.PATTERN, ground=Ground.PLACED, confidence=0.97)
        review = desk.ask(text=text, extraction=Extraction(key="k", found={"company": found}))
        html = (await (await desk.signed_in()).get(f"/reviews/{review}")).text
        assert 'I am &lt;b&gt;Ann&lt;/b&gt; of <mark title="company">Nordwind</mark>.' in html

    async def test_hostile_text_names_and_values_stay_text(self, desk):
        found = Found(value=HOSTILE, start=0, end=8, by=By.PATTERN, ground=Ground.PLACED, confidence=0.97)
        review = desk.ask(HOSTILE, HOSTILE, email=HOSTILE, extraction=Extraction(key="k", found={HOSTILE: found}))
        desk.ask(f"{HOSTILE}2", HOSTILE, email=HOSTILE)
        browser = await desk.signed_in(f"{HOSTILE} Ann")
        answered = await browser.send(f"/reviews/{review}", choice=HOSTILE, note=HOSTILE)
        looked = [
            f"/reviews/{review}",
            f"/reviews/{review}/same",
            "/reviews",
            f"/reviews?policy={HOSTILE}&after={HOSTILE}",
        ]
        for html in [answered.text, *[(await browser.get(path)).text for path in looked]]:
            assert "<script>" not in html
            assert "<img" not in html
        await browser.send(f"/reviews/{review}", choice="billing")
        html = (await browser.get(f"/reviews?done={review}")).text
        assert "decided on" in html
        assert "<script>" not in html

    async def test_an_address_makes_the_page_say_nothing_that_is_not_so(self, desk):
        review = desk.ask()
        browser = await desk.signed_in()
        for done in (review, "You+won", "<b>"):
            assert "good" not in (await browser.get(f"/reviews?done={done}")).text.partition("<main")[2]

    async def test_style_and_keys_are_our_own_files(self, desk):
        async with desk.client() as client:
            for name, kind in (
                ("reviews.css", "text/css"),
                ("reviews.js", "text/javascript"),
                ("mark.svg", "image/svg"),
            ):
                assert (await client.get(f"/reviews/static/{name}")).headers["content-type"].startswith(kind)
            for name in ("app.py", "..%2fapp.py", "__init__.py"):
                assert (await client.get(f"/reviews/static/{name}")).status_code == 404


class TestDecides:
    async def test_an_answer_decides_and_the_next_review_comes(self, desk):
        first, second = desk.ask("m-1", "a", due_in=MINUTE), desk.ask("m-2", "b", due_in=2 * MINUTE)
        browser = await desk.signed_in("Ann", proven=False)
        answer = await browser.send(f"/reviews/{first}?policy=tiny", choice="billing", note="clear")
        assert answer.headers["location"] == f"/reviews/{second}?policy=tiny&done={first}"
        page = await browser.get(answer.headers["location"])
        assert f"{first}: Ann (name as given) decided" in page.text
        (answered,) = [entry for entry in desk.entries(first) if entry.event == "review_answered"]
        assert (answered.facts["by"], answered.facts["proven"]) == ("Ann", "claimed")

    async def test_after_the_last_one_the_queue_is_empty(self, desk):
        review = desk.ask()
        browser = await desk.signed_in()
        answer = await browser.send(f"/reviews/{review}", choice="billing")
        assert answer.headers["location"] == f"/reviews?done={review}"

    async def test_who_comes_too_late_is_told_who_decided_what(self, desk):
        review = desk.ask()
        ann, bob = await desk.signed_in("Ann"), await desk.signed_in("Bob")
        target, hidden = form_of((await bob.get(f"/reviews/{review}")).text)
        await ann.send(f"/reviews/{review}", choice="billing")
        late = await bob.client.post(target, data={**hidden, "choice": "access"})
        assert late.status_code == 409
        assert "It was Ann, who chose billing." in late.text
        assert desk.row(review).answer == "billing"

    async def test_the_form_of_another_session_is_refused(self, desk):
        review = desk.ask()
        ann, mallory = await desk.signed_in("Ann"), await desk.signed_in("Mallory")
        _, hidden = form_of((await mallory.get(f"/reviews/{review}")).text)
        for form in (hidden, {}, {**hidden, "form": "x.y"}):
            answer = await ann.client.post(f"/reviews/{review}", data={**form, "choice": "billing"})
            assert answer.status_code == 403
        assert desk.row(review).answered_at is None

    async def test_another_site_cannot_use_a_session(self, desk):
        review = desk.ask()
        ann = await desk.signed_in("Ann")
        target, hidden = form_of((await ann.get(f"/reviews/{review}")).text)
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}):
            sent = await ann.client.post(target, data={**hidden, "choice": "billing"}, headers=headers)
            assert sent.status_code == 403
        assert desk.row(review).answered_at is None

    async def test_a_policy_that_was_changed_meanwhile_is_the_one_that_counts(self, desk):
        review = desk.ask()
        ann = await desk.signed_in("Ann")
        await ann.get(f"/reviews/{review}")
        write_tiny(desk.folder, audit={"share": 0}, mode="shadow")
        await ann.send(f"/reviews/{review}", choice="billing")
        assert desk.events(review)[-1] == "decided"  # and nothing is queued


class TestTwoPeople:
    @pytest.fixture
    def review(self, desk) -> str:
        write_tiny(desk.folder, audit={"share": 0}, review={"people": 2})
        return desk.ask()

    async def test_the_first_is_kept_and_a_different_second_decides(self, desk, review):
        ann, bob = await desk.signed_in("Ann"), await desk.signed_in("bob@example.com")
        await ann.send(f"/reviews/{review}", choice="billing")
        assert desk.row(review).answered_at is None
        page = await bob.get(f"/reviews/{review}")
        assert "Ann agreed to" in page.text
        await bob.send(f"/reviews/{review}", choice="billing")
        assert desk.events(review)[-4:] == ["review_agreed", "review_answered", "decided", "queued"]
        assert (desk.row(review).reviewer, desk.row(review).proven) == ("Ann and bob@example.com", "link")

    async def test_nobody_is_two_people(self, desk, review):
        ann, again = await desk.signed_in("Ann"), await desk.signed_in(" ann ")
        await ann.send(f"/reviews/{review}", choice="billing")
        refused = await again.send(f"/reviews/{review}", choice="billing")
        assert refused.status_code == 422
        assert "a different person must agree" in refused.text
        assert desk.row(review).answered_at is None

    async def test_two_people_who_choose_differently_have_not_agreed(self, desk, review):
        ann, bob, cid = [await desk.signed_in(name) for name in ("Ann", "Bob", "Cid")]
        await ann.send(f"/reviews/{review}", choice="billing")
        await bob.send(f"/reviews/{review}", choice="access")
        assert desk.row(review).answered_at is None
        await cid.send(f"/reviews/{review}", choice="access")
        assert (desk.row(review).answer, desk.row(review).reviewer) == ("access", "Bob and Cid")

    async def test_together_they_are_proven_only_if_both_are(self, desk, review):
        ann, bob = await desk.signed_in("Ann"), await desk.signed_in("Bob", proven=False)
        await ann.send(f"/reviews/{review}", choice="billing")
        await bob.send(f"/reviews/{review}", choice="billing")
        assert desk.row(review).proven == "claimed"

    async def test_a_link_that_agreed_does_not_agree_again(self, desk, review):
        link = desk.link(review)
        async with desk.client() as client:
            assert (await Browser(client).send(link, choice="billing")).status_code == 303
            assert (await Browser(client).send(link, choice="billing")).status_code == 422
        assert desk.row(review).answered_at is None


class TestTogether:
    async def test_one_answer_decides_all_that_are_alike_each_by_itself(self, desk):
        alike = [desk.ask(f"s-{n}", "Win a  PRIZE" if n else "win a prize", email=f"{n}@x.example") for n in range(3)]
        other = desk.ask("m-1", "something else")
        ann = await desk.signed_in("Ann")
        html = (await ann.get(f"/reviews/{alike[0]}/same")).text
        each = re.findall(r'name="each" value="([^"]*)"', html)
        assert len(each) == 3
        assert all(f"{n}@x.example" in html for n in range(3))
        answer = await ann.send(f"/reviews/{alike[0]}/same", choice="none_of_these", each=each)
        assert "3 of 3 decided" in answer.text
        for review in alike:
            assert desk.events(review)[-2:] == ["review_answered", "decided"]
        assert desk.row(other).answered_at is None

    async def test_what_is_not_ticked_is_left_alone(self, desk):
        first, second = desk.ask("s-1"), desk.ask("s-2")
        ann = await desk.signed_in("Ann")
        each = [f"{first} {desk.row(first).binding}"]
        await ann.send(f"/reviews/{first}/same", choice="billing", each=each)
        assert desk.row(first).answered_at is not None
        assert desk.row(second).answered_at is None

    async def test_one_that_was_decided_or_changed_meanwhile_is_left_alone_and_told(self, desk):
        first, second, third = (desk.ask(f"s-{n}") for n in range(3))
        ann, bob = await desk.signed_in("Ann"), await desk.signed_in("Bob")
        each = re.findall(r'name="each" value="([^"]*)"', (await ann.get(f"/reviews/{first}/same")).text)
        await bob.send(f"/reviews/{second}", choice="access")
        with desk.store.transaction() as tx:
            tx.reviews.get(third).binding = "another question"
        answer = await ann.send(f"/reviews/{first}/same", choice="billing", each=each)
        assert "1 of 3 decided" in answer.text
        assert "It was Bob, who chose access." in answer.text
        assert "has changed since" in answer.text
        assert desk.row(third).answered_at is None

    async def test_alike_is_what_asks_the_same_of_the_same_words(self, desk):
        desk.ask("s-1", label="access")
        desk.ask("s-2", label="billing")
        desk.ask("s-3", "other words", label="access")
        desk.ask("s-4", label="access", blind=True)
        assert "identical" not in (await (await desk.signed_in()).get("/reviews")).text

    async def test_nothing_ticked_decides_nothing(self, desk):
        review = desk.ask()
        answer = await (await desk.signed_in()).send(f"/reviews/{review}/same", choice="billing")
        assert answer.status_code == 422
        assert "at least one" in answer.text

    async def test_what_no_longer_waits_cannot_be_decided_with_others(self, desk):
        review = desk.ask()
        ann = await desk.signed_in()
        await ann.send(f"/reviews/{review}", choice="billing")
        assert (await ann.get(f"/reviews/{review}/same")).status_code == 404


async def test_the_queue_and_the_health_check_say_that_nobody_watches_any_more(desk):
    with desk.store.transaction() as tx:
        tx.heartbeats.beat("watch:tiny", desk.now)
    browser, told = await desk.signed_in(), []
    for minutes in (15, 1):
        desk.later(minutes=minutes)
        health = (await browser.get("/healthz")).json()
        told.append((health.get("unwatched"), "Nobody has watched over tiny" in (await browser.get("/reviews")).text))
    assert told == [(None, False), (["tiny"], True)]


class TestTheCustomerOwesAnAnswer:
    @staticmethod
    async def say(browser: Browser, review: str, **said: str) -> httpx.Response:
        _, hidden = form_of((await browser.get(f"/reviews/{review}")).text)
        return await browser.client.post(f"/reviews/{review}/customer", data={"form": hidden["form"], **said})

    async def test_it_is_taken_down_with_who_says_so_and_then_that_it_came(self, desk):
        review = desk.ask()
        browser = await desk.signed_in("Ann")
        asked = await self.say(browser, review, customer="asked", what="the order number")
        assert asked.headers["location"] == f"/reviews/{review}"
        assert "was asked for: the order number" in (await browser.get(f"/reviews/{review}")).text
        await self.say(browser, review, customer="answered")
        assert "Owes an answer" in (await browser.get(f"/reviews/{review}")).text
        told = [entry for entry in desk.entries(review) if entry.event.startswith("customer_")]
        assert [(entry.event, entry.facts["by"]) for entry in told] == [
            ("customer_asked", "Ann"),
            ("customer_answered", "Ann"),
        ]
        assert desk.row(review).answered_at is None

    async def test_it_must_be_said_what_for(self, desk):
        review = desk.ask()
        browser = await desk.signed_in()
        refused = await self.say(browser, review, customer="asked", what=" ")
        assert (refused.status_code, "say what the customer was asked for" in refused.text) == (422, True)

    async def test_nobody_takes_it_down_from_outside(self, desk):
        review = desk.ask()
        async with desk.client() as client:
            answer = await client.post(f"/reviews/{review}/customer", data={"customer": "asked", "what": "x"})
        assert answer.status_code == 401

    async def test_of_a_review_that_is_gone_nothing_is_taken_down(self, desk):
        review = desk.ask()
        browser = await desk.signed_in()
        _, hidden = form_of((await browser.get(f"/reviews/{review}")).text)
        answer = await browser.client.post("/reviews/it-none/customer", data={**hidden, "what": "x"})
        assert answer.status_code == 404
