"""Whether a change is a write of ours that comes back."""

import pytest

from domain.echo import is_echo

WRITTEN = {"email": "ann@example.com", "queue": "sales", "Order Number": "5.0", "content": "never shown"}


@pytest.mark.parametrize(
    ("fields", "echo"),
    [
        ({"email": "ann@example.com", "queue": "sales"}, True),
        ({"email": " ANN@Example.com", "queue": "sales", "order_number": "5"}, True),
        ({"email": "ann@example.com", "queue": "sales", "phone": "1"}, True),
        ({"email": "ann@example.com", "queue": "support"}, False),
        ({"email": "ann@example.com", "order_number": "6"}, False),
        ({}, True),
    ],
    ids=["as written", "spelt by the system", "with more", "changed since", "another number", "nothing to compare"],
)
def test_the_first_change_with_our_id_is_an_echo_if_it_holds_what_we_wrote(
    fields: dict[str, object], echo: bool
) -> None:
    assert is_echo(WRITTEN, "7@1", fields, told=()) is echo


def test_what_changes_later_is_somebody_elses_though_our_id_is_still_there() -> None:
    assert not is_echo(WRITTEN, "7@2", {"queue": "sales"}, told={"7@1"})


def test_the_same_change_read_again_is_the_same_echo() -> None:
    assert is_echo(WRITTEN, "7@1", {"queue": "sales"}, told={"7@1"})
