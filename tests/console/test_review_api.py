"""`/api/reviews`: programs decide by the rules of the page."""

from datetime import timedelta

import pytest
from reviewing import TOKEN
from tiny import write_tiny

BEARER = {"authorization": f"Bearer {TOKEN}"}


def key_of(desk, review: str, reviewer: str = "ann@example.com") -> dict[str, str]:
    return {"authorization": f"Bearer {desk.link(review, reviewer).partition('?key=')[2]}"}


async def send(desk, review: str, headers: dict[str, str] = BEARER, **changes):
    answer = {"choice": "billing", "reviewer": "Ann", "binding": desk.row(review).binding}
    async with desk.client() as client:
        return await client.post(f"/api/reviews/{review}", json=answer | changes, headers=headers)


async def test_the_queue_is_read_in_pages(desk):
    first, second = desk.ask("m-1", "a"), desk.ask("m-2", "b", blind=True, due_in=timedelta(hours=2))
    async with desk.client() as client:
        found = (await client.get("/api/reviews?policy=tiny", headers=BEARER)).json()
    assert [row["review_id"] for row in found["reviews"]] == [first, second]
    assert [row["proposed"] for row in found["reviews"]] == ["access", ""]
    assert (found["after"], found["waiting"], found["late"]) == ("", 2, 0)


async def test_a_review_comes_with_all_that_an_answer_needs(desk):
    review = desk.ask()
    async with desk.client() as client:
        found = (await client.get(f"/api/reviews/{review}", headers=BEARER)).json()
    assert found["form"]["choices"].keys() == {"billing", "access", "none_of_these"}
    answer = await send(desk, review, binding=found["form"]["binding"])
    assert answer.json() == {"decided": True, "by": "Ann", "choice": "billing", "missing": 0, "writes": True}


async def test_a_decided_review_says_by_whom(desk):
    review = desk.ask()
    await send(desk, review)
    async with desk.client() as client:
        found = (await client.get(f"/api/reviews/{review}", headers=BEARER)).json()
    assert found["decided"] == {"by": "Ann", "proven": "claimed", "choice": "billing"}


async def test_who_comes_too_late_is_told_who_decided_what(desk):
    review = desk.ask()
    await send(desk, review)
    late = await send(desk, review, choice="access", reviewer="Bob")
    assert late.status_code == 409
    assert late.json()["refusal"] == "already_decided"
    assert (late.json()["by"], late.json()["choice"]) == ("Ann", "billing")


async def test_the_key_of_a_link_proves_who_answers_whatever_the_body_says(desk):
    review = desk.ask()
    answer = await send(desk, review, key_of(desk, review), reviewer="Mallory", binding="made up")
    assert answer.json()["by"] == "ann@example.com"
    assert desk.row(review).proven == "link"


async def test_a_key_opens_its_own_review_alone(desk):
    first, second = desk.ask("m-1"), desk.ask("m-2")
    assert (await send(desk, second, key_of(desk, first))).status_code == 403
    async with desk.client() as client:
        assert (await client.get("/api/reviews", headers=key_of(desk, first))).status_code == 403
        assert (await client.get(f"/api/reviews/{second}", headers=key_of(desk, first))).status_code == 403
    assert desk.row(second).answered_at is None


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}, {"authorization": "Basic x"}])
async def test_nobody_else_reads_or_decides(desk, headers):
    review = desk.ask()
    assert (await send(desk, review, headers)).status_code == 401
    async with desk.client() as client:
        for path in ("/api/reviews", f"/api/reviews/{review}"):
            assert (await client.get(path, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "refusal"),
    [
        ({"choice": "nowhere"}, 422, "unknown_choice"),
        ({"reviewer": " "}, 422, "reviewer_missing"),
        ({"inputs": {"fax": "1"}}, 422, "unknown_input"),
        ({"binding": "old"}, 409, "changed"),
        ({"reviewer": "A@example.com"}, 422, "concerned"),
    ],
)
async def test_an_answer_that_settles_nothing_is_told_why(desk, changes, status, refusal):
    review = desk.ask()
    answer = await send(desk, review, **changes)
    assert (answer.status_code, answer.json()["refusal"]) == (status, refusal)
    assert desk.events(review)[-1] == "answer_refused"
    assert desk.row(review).answered_at is None


async def test_a_late_answer_must_say_that_it_knows_so(desk):
    review = desk.ask()
    desk.later(hours=2)
    assert (await send(desk, review)).json()["refusal"] == "late"
    assert (await send(desk, review, aware_late=True)).json()["decided"] is True


async def test_where_two_must_agree_the_first_is_told_that_one_is_missing(desk):
    write_tiny(desk.folder, audit={"share": 0}, review={"people": 2})
    review = desk.ask()
    assert (await send(desk, review)).json() == {
        "decided": False,
        "by": "Ann",
        "choice": "billing",
        "missing": 1,
        "writes": False,
    }
    assert (await send(desk, review)).json()["refusal"] == "same_person"
    assert (await send(desk, review, reviewer="Bob")).json()["by"] == "Ann and Bob"


async def test_what_is_no_answer_is_told(desk):
    review = desk.ask()
    json = BEARER | {"content-type": "application/json"}
    async with desk.client() as client:
        path = f"/api/reviews/{review}"
        assert (await client.post(path, headers=BEARER, data={"choice": "billing"})).status_code == 415
        assert (await client.post(path, headers=json, content=b"{")).status_code == 400
        assert (await client.post(path, headers=json, content=b'{"choice": 1}')).status_code == 422
        assert (await client.post(path, headers=json, content=b"{" + b" " * 70_000)).status_code == 413
        assert (
            await client.post("/api/reviews/it-0", headers=json, json={"choice": "a", "binding": "b"})
        ).status_code == 404
        assert (await client.get("/api/reviews/it-0", headers=BEARER)).status_code == 404
    assert (await send(desk, review, reviewer="A" * 300)).status_code == 422
    assert (await send(desk, review, BEARER | {"sec-fetch-site": "cross-site"})).status_code == 403
    assert desk.row(review).answered_at is None


async def test_where_reviews_are_not_served_there_is_nothing(site):
    for path in ("/reviews", "/api/reviews"):
        assert (await site.client.get(path)).status_code == 404
