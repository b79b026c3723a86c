"""Answers remembered by everything that they depend on."""

from domain.proposal import Proposal


def recall(desk, *keys: str) -> dict[str, Proposal]:
    with desk.store.reading() as tx:
        return tx.proposals.recall(keys)


def remember(desk, *proposals: Proposal) -> None:
    with desk.store.transaction() as tx:
        for proposal in proposals:
            tx.proposals.remember([proposal], desk.now)


def test_a_remembered_proposal_comes_back_whole(desk) -> None:
    remember(desk, desk.proposal("k-1"))

    assert recall(desk, "k-1") == {"k-1": desk.proposal("k-1")}
    assert recall(desk, "k-1")["k-1"].hash == desk.proposal("k-1").hash


def test_only_what_is_known_of_the_keys_comes_back(desk) -> None:
    remember(desk, desk.proposal("k-1"), desk.proposal("k-2"))

    assert set(recall(desk, "k-2", "k-3", "k-2")) == {"k-2"}
    assert recall(desk) == {}


def test_the_first_proposal_of_a_key_stays(desk) -> None:
    first, second = desk.proposal(), desk.proposal().model_copy(update={"label": "support"})
    remember(desk, first)
    remember(desk, second)

    assert recall(desk, "k-1") == {"k-1": first}


def test_the_first_proposal_of_a_key_stays_within_one_transaction_too(desk) -> None:
    first, second = desk.proposal(), desk.proposal().model_copy(update={"label": "support"})
    remember(desk, first, second)

    assert recall(desk, "k-1") == {"k-1": first}
