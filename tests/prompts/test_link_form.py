"""What a reviewer reads who is asked what a record is."""

from datetime import UTC, datetime

import pytest

from prompts.conflict import link_form

DUE = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "asks", "says"),
    [
        (False, "Is this person of crm one that is known?", "Nothing is made of the new record meanwhile"),
        (True, "the same as another one that is known?", "Each is kept in step by itself meanwhile"),
    ],
)
def test_a_record_that_is_known_is_not_called_new(known: bool, asks: str, says: str) -> None:
    text = link_form("person", "crm", ["name"], [("crm 1", {"name": "Ann"})], "alike", DUE, "", {}, known=known)
    assert asks in text
    assert says in text
    assert ("new record" in text) is not known
