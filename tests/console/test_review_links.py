"""A link to one review: what it opens, to whom, how often and until when."""

import pytest
from reviewing import PUBLIC, SECRET, Browser, form_of

from domain.keys import Key, Purpose, seal

OTHER = "o" * 32


def key_in(link: str) -> str:
    return link.partition("?key=")[2]


async def decide(desk, link: str, choice: str = "billing", **filled: str):
    async with desk.client() as client:
        return await Browser(client).send(link, choice=choice, **filled)


class TestShows:
    async def test_a_link_opens_the_review_without_an_account(self, desk):
        review = desk.ask(text="Where is my order?")
        async with desk.client() as client:
            page = await client.get(desk.link(review))
        assert page.status_code == 200
        assert "Where is my order?" in page.text
        assert "ann@example.com" in page.text

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_pressing_it_as_scanners_and_previews_do_changes_nothing(self, desk, method):
        review = desk.ask()
        link, before = desk.link(review), desk.entries()
        async with desk.client() as client:
            for headers in ({}, {"sec-purpose": "prefetch"}, {"user-agent": "Slackbot-LinkExpanding 1.0"}):
                for _ in range(3):
                    assert (await client.request(method, link, headers=headers)).status_code == 200
        assert desk.entries() == before
        assert (await decide(desk, link)).status_code == 303

    @pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH"])
    async def test_other_methods_are_none(self, desk, method):
        review = desk.ask()
        async with desk.client() as client:
            assert (await client.request(method, desk.link(review))).status_code == 405
        assert desk.row(review).answered_at is None

    async def test_no_browser_keeps_the_page_frames_it_or_tells_others_its_address(self, desk):
        async with desk.client() as client:
            page = await client.get(desk.link(desk.ask()))
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "set-cookie" not in page.headers
        assert "http" not in page.text.replace("http-equiv", "")  # nothing from elsewhere, and no way there

    async def test_a_link_opens_neither_the_queue_nor_another_review(self, desk):
        first, second = desk.ask("m-1"), desk.ask("m-2")
        key = key_in(desk.link(first))
        async with desk.client() as client:
            assert (await client.get(f"/reviews?key={key}")).status_code == 401
            assert (await client.get(f"/reviews/{second}?key={key}")).status_code == 403
            assert (await client.get(f"/reviews/{second}/same?key={key}")).status_code == 401
            answer = await client.post(f"/reviews/{second}", data={"key": key, "choice": "billing"})
        assert answer.status_code == 403
        assert desk.row(second).answered_at is None


class TestDecides:
    async def test_a_post_decides_and_the_ledger_has_who_and_that_it_is_proven(self, desk):
        review = desk.ask()
        answer = await decide(desk, desk.link(review, "Ann <ann@example.com>"), note="by phone")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"/reviews/{review}?key=")
        (answered,) = [entry for entry in desk.entries(review) if entry.event == "review_answered"]
        assert answered.facts == {
            "review": review,
            "by": "Ann <ann@example.com>",
            "proven": "link",
            "choice": "billing",
        }
        assert desk.events(review)[-3:] == ["review_answered", "decided", "queued"]

    async def test_afterwards_the_link_shows_what_was_decided_and_by_whom(self, desk):
        review = desk.ask()
        link = desk.link(review)
        await decide(desk, link)
        async with desk.client() as client:
            page = await client.get(link)
        assert page.status_code == 200
        assert "ann@example.com (proven by a signed link) decided" in page.text
        assert "billing" in page.text
        assert "<form" not in page.text.partition("<main")[2]

    async def test_a_link_decides_once(self, desk):
        review = desk.ask()
        link = desk.link(review)
        async with desk.client() as client:
            target, hidden = form_of((await client.get(link)).text)
            first = await client.post(target, data={**hidden, "choice": "billing"})
            again = await client.post(target, data={**hidden, "choice": "access"})
        assert (first.status_code, again.status_code) == (303, 409)
        assert "It was ann@example.com, who chose billing." in again.text
        assert desk.row(review).answer == "billing"

    async def test_a_double_press_is_no_second_answer(self, desk):
        review = desk.ask()
        async with desk.client() as client:
            target, hidden = form_of((await client.get(desk.link(review))).text)
            pressed = [await client.post(target, data={**hidden, "choice": "billing"}) for _ in range(2)]
        assert [answer.status_code for answer in pressed] == [303, 303]
        assert desk.events(review).count("decided") == 2  # the model's, and this one
        assert "answer_refused" not in desk.events(review)

    async def test_a_used_key_decides_no_other_time_even_if_the_review_is_asked_again(self, desk):
        review = desk.ask()
        link = desk.link(review)
        async with desk.client() as client:
            target, hidden = form_of((await client.get(link)).text)
            await client.post(target, data={**hidden, "choice": "billing"})
            with desk.store.transaction() as tx:
                tx.reviews.get(review).answered_at = None
            again = await client.post(target, data={**hidden, "choice": "access"})
        assert again.status_code == 422
        assert "used before" in again.text

    async def test_a_refused_answer_uses_no_link_up(self, desk):
        review = desk.ask()
        link = desk.link(review)
        assert (await decide(desk, link, choice="nowhere")).status_code == 422
        assert desk.events(review)[-1] == "answer_refused"
        assert (await decide(desk, link)).status_code == 303

    async def test_what_was_filled_in_is_not_lost_by_a_refusal(self, desk):
        answer = await decide(desk, desk.link(desk.ask()), choice="nowhere", note="I <i>said</i> so")
        assert "not among the choices" in answer.text
        assert "I &lt;i&gt;said&lt;/i&gt; so</textarea>" in answer.text


class TestRefuses:
    async def test_a_link_ends(self, desk):
        review = desk.ask()
        link = desk.link(review)
        async with desk.client() as client:
            target, hidden = form_of((await client.get(link)).text)
            desk.later(hours=desk.settings.link_hours)
            shown = await client.get(link)
            sent = await client.post(target, data={**hidden, "choice": "billing"})
        assert (shown.status_code, sent.status_code) == (410, 410)
        assert "hello there" not in shown.text
        assert desk.row(review).answered_at is None

    @pytest.mark.parametrize(
        "change", [lambda key: key[:-1], lambda key: key + "A", lambda key: "A" + key[1:], lambda _: "x"]
    )
    async def test_a_changed_link_opens_nothing(self, desk, change):
        review = desk.ask()
        key = change(key_in(desk.link(review)))
        async with desk.client() as client:
            shown = await client.get(f"/reviews/{review}?key={key}")
            sent = await client.post(f"/reviews/{review}", data={"key": key, "choice": "billing"})
        assert (shown.status_code, sent.status_code) == (403, 403)
        assert "hello there" not in shown.text
        assert desk.row(review).answered_at is None

    async def test_a_key_for_signing_in_decides_nothing(self, desk):
        review = desk.ask()
        key = Key(
            purpose=Purpose.LOGIN, reviewer="Ann", about=review, expires_at=desk.now.replace(year=2100), nonce="n" * 22
        )
        async with desk.client() as client:
            answer = await client.post(
                f"/reviews/{review}", data={"key": seal(key, SECRET.encode()), "choice": "billing"}
            )
        assert answer.status_code == 403

    async def test_what_has_changed_since_the_link_was_sent_is_not_decided_with_it(self, desk):
        review = desk.ask()
        link = desk.link(review)
        with desk.store.transaction() as tx:
            tx.reviews.get(review).binding = "another question"
        answer = await decide(desk, link)
        assert answer.status_code == 409
        assert "has changed since" in answer.text
        assert desk.row(review).answered_at is None

    async def test_whoever_sent_the_message_does_not_decide_it(self, desk):
        review = desk.ask(email="Ann@Example.com")
        answer = await decide(desk, desk.link(review, "Ann Lee <ann@example.com>"))
        assert answer.status_code == 422
        assert "somebody else must decide it" in answer.text
        assert desk.row(review).answered_at is None

    async def test_a_late_answer_counts_from_a_page_that_says_that_it_is_late(self, desk):
        review = desk.ask()
        link = desk.link(review)
        async with desk.client() as client:
            target, hidden = form_of((await client.get(link)).text)
            desk.later(hours=2)
            unaware = await client.post(target, data={**hidden, "choice": "billing"})
            target, hidden = form_of(unaware.text)
            aware = await client.post(target, data={**hidden, "choice": "billing"})
        assert (unaware.status_code, aware.status_code) == (422, 303)
        assert "time for this review is over" in unaware.text

    @pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
    async def test_another_site_cannot_send_the_form(self, desk, headers):
        review = desk.ask()
        data = {"key": key_in(desk.link(review)), "choice": "billing"}
        async with desk.client() as client:
            assert (await client.post(f"/reviews/{review}", data=data, headers=headers)).status_code == 403
        assert desk.row(review).answered_at is None

    async def test_an_answer_that_is_no_form_or_too_long_is_refused(self, desk):
        review = desk.ask()
        key = key_in(desk.link(review))
        async with desk.client() as client:
            path = f"/reviews/{review}"
            assert (await client.post(path, json={"key": key})).status_code == 415
            assert (await client.post(path, data={"key": key, "note": "x" * 70_000})).status_code == 413
            assert (
                await client.post(path, data={"key": key, "choice": "billing", "note": "x" * 3000})
            ).status_code == 422
            form = {"content-type": "application/x-www-form-urlencoded"}
            assert (await client.post(path, content=b"key=%ff", headers=form)).status_code == 400
            assert (await client.post(path, content=b"&".join([b"a=b"] * 400), headers=form)).status_code == 400

    async def test_a_review_that_is_gone_is_told(self, desk):
        key = Key(
            purpose=Purpose.REVIEW, reviewer="Ann", about="it-0", expires_at=desk.now.replace(year=2100), nonce="n" * 22
        )
        text = seal(key, SECRET.encode())
        async with desk.client() as client:
            assert (await client.get(f"/reviews/it-0?key={text}")).status_code == 404
            assert (await client.post("/reviews/it-0", data={"key": text, "choice": "x"})).status_code == 404


class TestSecrets:
    async def test_while_a_secret_is_replaced_links_of_the_old_one_still_open(self, desk):
        link = desk.link(desk.ask())
        both = desk.without(link_secret=type(desk.settings.link_secret)(f"{OTHER},{SECRET}"))
        async with both.client() as client:
            assert (await client.get(link)).status_code == 200

    async def test_afterwards_they_do_not(self, desk):
        link = desk.link(desk.ask())
        new = desk.without(link_secret=type(desk.settings.link_secret)(OTHER))
        async with new.client() as client:
            assert (await client.get(link)).status_code == 403

    async def test_the_address_after_deciding_is_our_own(self, desk):
        answer = await decide(desk, desk.link(desk.ask()))
        assert answer.headers["location"].startswith("/reviews/")
        assert PUBLIC not in answer.headers["location"]
