"""Reviewers, systems and sources on the dashboard: each figure with its list, each trouble with what to do."""

import re
from datetime import timedelta
from html import unescape

import pytest
from builders import route_review
from looking import client, html_of, tiles
from playwright.sync_api import sync_playwright
from prefect_ui import FLAGS, chromium
from reviewing import OPEN, Reviewing, served
from tiny import message

from connectors.settings import Settings
from console.web.lookers import Lookers
from console.web.standing import UNTRIED_AFTER
from domain.assignment import Because, Placement
from domain.breaker import FAILURES
from domain.delivery import Invalid, Operation, Patience, Step, Unknown, next_step
from domain.errors import Permanent, Retryable, Unauthorised, Unavailable
from domain.escalation import Cause
from domain.figures import Work
from domain.review import Answer, ReviewKind
from domain.sla import Clock, ClockName
from domain.source_state import SourceState, failed


def give(desk: Reviewing, review: str, to: str) -> None:
    with desk.store.transaction() as tx:
        placement = Placement(review_id=review, to=to, why=Because.NEW)
        tx.assignments.place(tx.assignments.waiting("tiny"), [placement], desk.now)


def contradict(desk: Reviewing, external_id: str) -> str:
    """Let systems say different things about a field; gives the review."""
    with desk.store.transaction() as tx:
        item_id, _ = tx.inbox.accept("tiny", message(external_id, "two names"), timedelta(0), desk.now)
        review = route_review(tx.inbox.get(item_id), desk.policy, "b", desk.now + timedelta(hours=1))
        tx.reviews.open(review.model_copy(update={"kind": ReviewKind.CONFLICT}), desk.now)
    return item_id


def answer(desk: Reviewing, review: str, reviewer: str) -> None:
    with desk.store.transaction() as tx:
        tx.reviews.answered(review, Answer(choice="access", reviewer=reviewer, binding="b"), desk.now)


def write(desk: Reviewing, item_id: str, policy: str = "tiny", *, give_up: bool = False) -> None:
    """Put a write of an item, an entity or a notice into the outbox."""
    named = {"operation_id": f"op-{item_id}", "item_id": item_id, "policy": policy, "record_key": item_id}
    operation = Operation(destination="crm", system="sandbox_crm", values={}, **named)
    with desk.store.transaction() as tx:
        tx.outbox.put(operation, Patience(attempts=1), desk.now)
    if give_up:
        refused = Invalid(detail="the property hs_lead_status is not there")
        with desk.store.transaction() as tx:
            (due,) = tx.outbox.claim(1, timedelta(minutes=1), desk.now, {})
            step = next_step(refused, operation.operation_id, due.tries, due.patience, desk.now, searched=False)
            assert step.step is Step.DEAD_LETTER
            tx.outbox.settle(due, refused, step, desk.now)


def fail(desk: Reviewing, failure: Retryable | Permanent, source: str = "imap", policy: str = "tiny") -> None:
    """Let a source fail until somebody must be told."""
    state = SourceState()
    while state.trouble is None:
        state = failed(state, failure, desk.now)
    with desk.store.transaction() as tx:
        tx.sources.put(f"{policy}/{source}", policy, source, state, desk.now)


def rows(html: str, section: str) -> dict[str, list[tuple[str, str]]]:
    """A table's rows by their names: of each cell its text, and where it leads."""
    (table,) = re.findall(rf'<h2 id="{section}">.*?<tbody>(.*?)</tbody>', html, re.DOTALL)
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL):
        name, *cells = re.findall(r"<t[hd][^>]*>\s*(.*?)\s*</t[hd]>", row, re.DOTALL)
        found[name] = [(re.sub("<.*?>", "", cell).strip(), _href(cell)) for cell in cells]
    return found


def _href(cell: str) -> str:
    link = re.search('href="([^"]*)"', cell)
    return unescape(link[1]) if link else ""


def listed(html: str) -> list[str]:
    """Whose stories a list leads to."""
    return re.findall(r'<a class="words" href="/dashboard/items/([^"?]*)', html)


def notices(html: str) -> list[str]:
    return [unescape(told) for told in re.findall(r'<p class="notice" role="status">(The source.*?)</p>', html)]


class TestReviewers:
    async def test_each_figure_leads_to_as_many_reviews_as_it_says(self, desk):
        reviews = [desk.ask(f"m-{number}", f"message {number}") for number in range(6)]
        for review in reviews[:3]:
            give(desk, review, "Ann Lee")
        answer(desk, reviews[0], "Ann Lee")
        answer(desk, reviews[5], "Bob & Sons")
        found = rows(await html_of(desk), "load")
        counts = {name: [count for count, _ in cells] for name, cells in found.items()}
        assert counts == {
            "nobody in particular": ["2", "0"],
            "Ann Lee": ["2", "1"],
            "Bob &amp; Sons": ["0", "1"],
        }
        for cells in found.values():
            for count, href in cells:
                assert len(listed(await html_of(desk, href)) if href else []) == int(count), href

    async def test_answers_are_of_the_time_that_is_chosen_and_what_waits_is_as_of_now(self, desk):
        first, second = desk.ask("m-1"), desk.ask("m-2", "something else")
        give(desk, first, "Ann")
        give(desk, second, "Ann")
        answer(desk, first, "Ann")
        desk.later(days=2)
        for period, counts in (("24h", ["1", "0"]), ("7d", ["1", "1"])):
            cells = rows(await html_of(desk, f"/dashboard?period={period}"), "load")["Ann"]
            assert [count for count, _ in cells] == counts
            assert [len(listed(await html_of(desk, href))) for _, href in cells] == [int(count) for count in counts]

    async def test_a_list_leads_to_stories_and_each_story_back_to_it(self, desk):
        review = desk.ask("m-1")
        give(desk, review, "Ann")
        (href,) = {href for count, href in rows(await html_of(desk), "load")["Ann"] if count == "1"}
        (link,) = re.findall(r'<a class="words" href="([^"]*)"', await html_of(desk, href))
        story = await html_of(desk, unescape(link))
        assert "was stored for tiny" in story
        assert f'href="{href.replace("&", "&amp;")}"' in story

    async def test_what_is_decided_blindly_is_not_told_before_it_is_answered(self, desk):
        give(desk, desk.ask("m-1", label="access", blind=True), "Ann")
        html = await html_of(desk, f"/dashboard/items?of={Work.ASSIGNED}&whose=Ann")
        assert listed(html)
        assert "access" not in html.partition("<main")[2]


class TestWhatWaitsNow:
    async def test_each_count_leads_to_its_list_for_whoever_may_look(self, desk):
        reviews = [desk.ask(f"m-{number}", f"message {number}") for number in range(3)]
        answer(desk, reviews[0], "Ann")
        with desk.store.transaction() as tx:
            tx.escalations.begin("tiny", Cause.REVIEW_LATE, reviews[1], "it waits", desk.now, item_id=reviews[1])
            told = tx.escalations.begin("other", Cause.SYSTEM_PAUSED, "crm", "nothing is sent to crm", desk.now)
        html = await html_of(desk, "/dashboard?policy=tiny")
        found = re.findall(r'<a href="([^"]*)"(?: class="late")?><b>(\d+)</b> (?:reviews wait|open escalations)', html)
        waiting, escalated = [await html_of(desk, unescape(href)) for href, _ in found]
        assert [count for _, count in found] == ["2", "2"]
        assert sorted(listed(waiting)) == sorted(reviews[1:])
        assert sorted(listed(escalated)) == sorted([reviews[1], told])  # of every policy, as many as there are
        assert "nothing is sent to crm" in escalated

    async def test_open_conflicts_lead_to_those_reviews_alone(self, desk):
        desk.ask("m-1")
        conflict = contradict(desk, "m-2")
        value, _, href = tiles(await html_of(desk))["Open conflicts"]
        assert (value, listed(await html_of(desk, href))) == ("1", [conflict])


class TestPromises:
    async def test_the_figure_leads_to_the_clocks_that_were_late_told_or_not(self, desk):
        reviews = [desk.ask(f"m-{number}", f"message {number}") for number in range(2)]
        answered = Clock(name=ClockName.REVIEW_ANSWERED, within=timedelta(hours=1))
        with desk.store.transaction() as tx:
            tx.clocks.follow("tiny", [answered], 100, desk.now)
        desk.later(hours=2)  # and flows.watch does not run
        value, note, href = tiles(await html_of(desk))["SLA compliance"]
        assert (value, note) == ("0 %", "0 of 2 clocks met")
        html = await html_of(desk, href)
        assert sorted(listed(html)) == sorted(reviews)
        assert "still late" in html
        answer(desk, reviews[0], "Ann")
        with desk.store.transaction() as tx:
            tx.clocks.follow("tiny", [answered], 100, desk.now)
        assert "late by 1 h 0 min" in await html_of(desk, href)


class TestSystems:
    async def test_each_figure_leads_to_as_many_writes_as_it_says(self, desk):
        write(desk, "it-1", give_up=True)
        write(desk, "en-1")  # of a record that is kept in step
        write(desk, "it-2")
        (cells,) = rows(await html_of(desk), "systems").values()
        assert [text for text, _ in cells] == ["2", "1", "works"]
        assert [sorted(listed(await html_of(desk, href))) for _, href in cells[:2]] == [["en-1", "it-2"], ["it-1"]]

    async def test_and_so_does_the_count_of_dead_letters_on_top_of_the_policy_that_is_chosen(self, desk):
        write(desk, "it-1", give_up=True)
        write(desk, "it-2", "another", give_up=True)
        for policy, count in (("", 2), ("tiny", 1), ("none", 0)):
            html = await html_of(desk, f"/dashboard?policy={policy}")
            found = re.search(r'<a href="([^"]*)"(?: class="late")?><b>(\d+)</b> dead letter', html)
            assert found
            assert int(found[2]) == count
            assert len(listed(await html_of(desk, unescape(found[1])))) == count

    async def test_a_dead_letter_says_what_came_of_it_word_by_word_and_what_to_do(self, desk):
        write(desk, "it-1", give_up=True)
        html = await html_of(desk, f"/dashboard/items?of={Work.DEAD_LETTERS}&whose=sandbox_crm")
        assert "the property hs_lead_status is not there" in html
        assert "<code>interlock outbox retry --system sandbox_crm</code>" in html
        assert "retry" not in await html_of(desk, f"/dashboard/items?of={Work.UNWRITTEN}")

    async def test_a_write_of_no_item_has_a_story_too(self, desk):
        write(desk, "en-1")
        assert "was put in the outbox" in await html_of(desk, "/dashboard/items/en-1")

    async def test_a_system_in_trouble_with_nothing_to_write_leads_nowhere(self, desk):
        with desk.store.transaction() as tx:
            for _ in range(FAILURES):
                tx.systems.note("desk", Unknown(detail="cut"), desk.now)
        assert rows(await html_of(desk), "systems") == {"desk": [("0", ""), ("0", ""), ("in trouble", "")]}


class TestSources:
    async def test_where_all_is_well_nothing_is_said(self, desk):
        desk.ask()
        with desk.store.transaction() as tx:
            once = failed(SourceState(), Unavailable("no answer"), desk.now)
            tx.sources.put("tiny/imap", "tiny", "imap", once, desk.now)
        assert notices(await html_of(desk)) == []

    async def test_one_that_refuses_us_is_told_with_what_to_mend(self, desk):
        fail(desk, Unauthorised("wrong password"))
        since = f"{desk.now:%Y-%m-%d %H:%M} UTC"
        desk.later(minutes=2)
        again = f"{desk.now + timedelta(minutes=3):%H:%M} UTC"
        (told,) = notices(await html_of(desk))
        assert told == (
            f"The source imap of tiny has refused to be read since {since}, 2 minutes ago: wrong password. Mend its "
            f"key, or what it is told: 'interlock doctor tiny' looks at both. It is tried again at {again}, and read "
            "on from where it was."
        )

    async def test_one_that_is_away_is_told_with_where_to_look(self, desk):
        fail(desk, Unavailable("no answer within 10 s"))
        desk.later(minutes=1)
        (told,) = notices(await html_of(desk))
        assert "has not answered since" in told
        assert "can be reached from the workers. It is tried again by the next run" in told

    async def test_one_that_nobody_tries_any_more_is_told_so(self, desk):
        fail(desk, Unauthorised("wrong password"))
        desk.later(seconds=2 * UNTRIED_AFTER.total_seconds() + 1)
        (told,) = notices(await html_of(desk))
        assert "Nobody has tried it again since" in told
        assert told.endswith("does the flow that reads it run?")

    async def test_it_is_told_until_it_is_read_again_and_to_whom_its_policy_concerns(self, desk):
        fail(desk, Unavailable("down"), "folder", "another")
        assert len(notices(await html_of(desk))) == 1
        assert notices(await html_of(desk, "/dashboard?policy=tiny")) == []
        with desk.store.transaction() as tx:
            tx.sources.put("another/folder", "another", "folder", SourceState(), desk.now)
        assert notices(await html_of(desk)) == []

    async def test_programs_read_of_it_too(self, desk):
        fail(desk, Unavailable("down"))
        async with client(desk) as browser:
            answer = await browser.get("/metrics")
        assert 'interlock_source_unreadable{policy="tiny",source="imap"} 1.0' in answer.text


@pytest.mark.parametrize(
    "asked",
    [
        "of=assigned&whose=%3Cscript%3E",
        "of=answered_by&after=99999999999999999.x",
        "of=answered_by&after=-99999999999999999.x",
        "of=unwritten&after=999999999999999999999.x&whose=x",
        "of=dead_letters&after=-5.x&policy=x&route=y&period=z",
    ],
)
async def test_what_an_address_asks_for_and_is_not_there_is_an_empty_list(desk, asked):
    desk.ask()
    html = await html_of(desk, f"/dashboard/items?{asked}")
    assert listed(html) == []
    assert "<script>" not in html.partition("<main")[2]


@pytest.mark.real
@pytest.mark.skipif(chromium() is None, reason="Chromium left out: it is not installed")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1120), ("dark", 390)])
def test_in_a_browser_work_and_troubles_fit_and_can_be_followed(desk, scheme, width):
    give(desk, desk.ask("m-1"), "Maximiliane Oberhuber-Schmidt")
    write(desk, "it-1", give_up=True)
    fail(desk, Unauthorised("https://a-very-long-host-name.example.com/and/a/path/that/does/not/end refuses the key"))
    looking = Lookers.configured(Settings.model_validate({}), OPEN, on_loopback=True, public_url="")
    with served(desk, looking=looking) as address, sync_playwright() as web:
        browser = web.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.goto(f"{address}/dashboard")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_text("The source imap of tiny has refused to be read").is_visible()
        row = page.get_by_role("row", name=re.compile("Maximiliane"))
        row.get_by_role("link", name="1").click()
        assert page.locator("h1").inner_text() == "Reviews that are with somebody: Maximiliane Oberhuber-Schmidt"
        page.locator("ol.rows a").click()
        assert "was stored for tiny" in page.locator("main").inner_text()
        page.get_by_role("link", name="Back to the list").click()
        page.get_by_role("link", name="Back to the figures").click()
        dead = page.get_by_role("row", name=re.compile("sandbox_crm")).locator("td.late a")
        colour = "getComputedStyle(document.querySelector('td.late a')).color"
        assert page.evaluate(colour) != page.evaluate("getComputedStyle(document.body).color"), "it is red"
        dead.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("ol.rows li").count() == 1
        browser.close()
