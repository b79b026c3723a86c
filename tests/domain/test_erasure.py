"""Whom something is about: people are told apart by what is theirs alone."""

import pytest

from domain.erasure import Person, Subjects


@pytest.mark.parametrize(
    ("person", "said", "found"),
    [
        (Person(emails=("ann@x.org",)), "write to ANN@x.org.", True),
        (Person(emails=("ann@x.org",)), "write to joann@x.org", False),
        (Person(emails=("ann@x.org",)), "write to ann@x.org.uk", False),
        (Person(phones=("+49 170 1234567",)), "(0170) 123-45 67!", True),
        (Person(phones=("+49 170 1234567",)), "0170 12345678", False),
        (Person(ids=("A-77",)), {"A-77": 1}, True),
        (Person(ids=("A-77",)), {"record": ["A-77"]}, True),
        (Person(ids=("A-77",)), {"record": "A-78"}, False),
        (Person(ids=("A-77",)), ["A-778", None, 3], False),
    ],
)
def test_a_person_is_told_apart(person: Person, said: object, found: bool) -> None:
    assert person.mentioned_in(said) is found


@pytest.mark.parametrize("whom", [{}, {"emails": ["ann"]}, {"phones": ["12345"]}, {"ids": ["7"]}])
def test_who_cannot_be_told_apart_is_refused(whom: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match=r"say whom|@|digits|characters"):
        Person.model_validate(whom)


def test_there_is_something_to_erase_or_nothing() -> None:
    assert not Subjects()
    assert Subjects(records=frozenset({7}))
