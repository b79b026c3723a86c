"""The policy's section on reviews."""

from typing import Literal

from pydantic import Field

from domain.assignment import Assigning
from domain.values import Frozen
from policies.destination import Name


class Review(Frozen):
    """How long a reviewer has; after that the review is escalated, and can still be answered.

    Attributes:
        answer_within_minutes: of working time, by the calendar.
        calendar: one of `calendars`; without it every minute counts.
        people: how many different people must choose the same route before it counts; a blind check
            takes one, who must not know what another said.
        proven: whether, where several must agree, only those count who are known: by a link, or by a name of the
            people file; if it is not said, where the policy has `two_people_above` or an action of two `approvals`.
            With `link` only links count: a name can be typed by anybody, so one person could give two.
        assign: to whom reviews are given; without it whoever comes first takes them.
        forms: reviews that have a form in Prefect's UI at the same time, the most urgent ones, a flow
            run each; the others wait in the store, on the review page and the command line.
        leave_out: without routes, whether an item may be written without what is missing.
        end: without routes, whether an item may be ended unwritten.
    """

    answer_within_minutes: float = Field(default=240, gt=0, le=5_000_000)
    calendar: Name | None = None
    assign: Assigning | None = None
    people: int = Field(default=1, ge=1, le=5)
    proven: bool | Literal["link"] | None = None
    forms: int = Field(default=50, ge=0, le=1000)
    leave_out: bool = False
    end: bool = True
