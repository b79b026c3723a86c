"""The route flow over a system that may have a record already: run twice, act once."""

from fakes import FakeCrm
from tiny import message

from connectors.ports import Candidate
from domain.review import Answer
from tasks.resources import opened
from tasks.review import settle_review

CRM = {
    "system": "sandbox_crm",
    "record_key": "{{ item_id }}",
    "values": {"email": "{{ email }}", "name": "Julia Weber"},
    "duplicates": {"search": True},
}
LIKE = Candidate("18", {"email": "jw@example.com", "name": "Julia Weber"})


async def test_doubt_is_asked_about_once_and_the_answer_is_written_once(bench):
    bench.change_policy(destinations={"crm": CRM})
    bench.system = FakeCrm(found=[[LIKE]])
    (item,) = bench.accept(message("1", "my invoice is wrong"))
    for _ in range(2):
        account = await bench.run()
        assert (account.waiting, bench.system.stored) == (1, [])

    with bench.store.reading() as tx:
        (review,) = tx.reviews.waiting("tiny")
    async with opened(bench.resources()):
        await settle_review.fn(review.review_id, Answer(choice="same_as_18", reviewer="Ada", binding=review.binding))
    for _ in range(2):
        account = await bench.run()

    assert [operation.external_id for operation in bench.system.stored] == ["18"]
    assert len(bench.system.searched) == 1
    assert (account.done, account.unaccounted) == (1, 0)
    assert review.item_id == item
