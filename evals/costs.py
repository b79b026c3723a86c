"""What a threshold costs: misroutes on one side, reviewers' minutes on the other."""

from collections.abc import Sequence

from pydantic import Field

from domain.calibration import Promise
from domain.errors import InputInvalid
from domain.values import Frozen

MINUTES_AN_HOUR = 60
MOST_CHOICES = 12
"""Thresholds that a table shows."""


class Costs(Frozen):
    """Prices, in whatever currency, all the same.

    Attributes:
        wrong_route: price of one misrouted item.
        review_minute: price of a reviewer's minute.
        review_minutes: minutes that a review takes.
        items_a_day: items that come in.
    """

    wrong_route: float = Field(gt=0)
    review_minute: float = Field(gt=0)
    review_minutes: float = Field(gt=0)
    items_a_day: float = Field(gt=0)

    @property
    def review(self) -> float:
        """Price of one review."""
        return self.review_minute * self.review_minutes

    @property
    def target(self) -> float:
        """The misroute rate at which acting alone costs as much as having everything reviewed.

        Raises:
            InputInvalid: a misroute costs no more than a review; then nothing needs a proof.
        """
        if self.review >= self.wrong_route:
            raise InputInvalid(
                f"a wrong route ({self.wrong_route:g}) costs no more than a review ({self.review:g}): "
                "then routing everything alone is cheapest, and no threshold is needed"
            )
        return self.review / self.wrong_route

    def of(self, promise: Promise, n: int) -> "Choice":
        """What a threshold costs, going by the `n` items that it was tested on."""
        alone = promise.accepted / n if n else 0.0
        wrong = promise.errors / n if n else 0.0
        return Choice(
            threshold=promise.threshold or 0.0,
            coverage=alone,
            wrong=wrong,
            cost_an_item=wrong * self.wrong_route + (1 - alone) * self.review,
            reviewer_hours_a_day=(1 - alone) * self.items_a_day * self.review_minutes / MINUTES_AN_HOUR,
        )


class Choice(Frozen):
    """A proven threshold with what it means.

    Attributes:
        coverage: share of all items that acts alone; `wrong`, of all items, acts alone and is wrong.
    """

    threshold: float
    coverage: float
    wrong: float
    cost_an_item: float
    reviewer_hours_a_day: float


def choices(promises: Sequence[Promise], costs: Costs, n: int) -> list[Choice]:
    """Proven thresholds with their costs, thinned to what a table can show; the cheapest is among them."""
    priced = [costs.of(promise, n) for promise in promises]
    cheapest = min(range(len(priced)), key=lambda index: priced[index].cost_an_item, default=0)
    step = max(1, len(priced) // MOST_CHOICES)
    return [one for index, one in enumerate(priced) if index % step == 0 or index in (cheapest, len(priced) - 1)]
