"""Answers that customers owe: what came in that is one, and when clocks no longer wait for it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from pydantic import AwareDatetime, Field

from domain.sla import LongestPause
from domain.values import Frozen


class Owed(Frozen):
    """An answer that a customer owes about an item, whose clocks stand still.

    Attributes:
        whom: the customer, or the customer's case, as the policy tells them apart; empty where nothing tells.
    """

    item_id: str
    whom: str
    asked_at: AwareDatetime


class Arrived(Frozen):
    """An item that came in. `whom` is as that of `Owed`; empty where it is nobody's answer."""

    item_id: str
    whom: str
    accepted_at: AwareDatetime


class Answered(Frozen):
    """That an item came in which the customer owed for another: clocks run on from `since`."""

    item_id: str
    through: str = Field(min_length=1)
    since: AwareDatetime


def answers(owing: Iterable[Owed], arrived: Sequence[Arrived]) -> Iterator[Answered]:
    """For each answer that is owed, the first item from the same customer that came after the question, if one did."""
    for owed in owing:
        later = [one for one in arrived if owed.whom and one.whom == owed.whom and one.accepted_at > owed.asked_at]
        if later:
            first = min(later, key=lambda one: (one.accepted_at, one.item_id))
            yield Answered(item_id=owed.item_id, through=first.item_id, since=first.accepted_at)


def overdue(owing: Iterable[Owed], longest: LongestPause, now: datetime) -> Iterator[tuple[Owed, datetime]]:
    """The answers that clocks no longer wait for, each with the moment from which they do not."""
    for owed in owing:
        if (over_at := longest.over_at(owed.asked_at)) <= now:
            yield owed, over_at
