"""What labelled events come to under a policy about cases: done alone, wrongly, or left to people."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from domain.calibration import Rate, rate, upper_limit
from domain.case import DEADLINE, Case
from domain.decision import Decision, Reason
from domain.item import ClaimedItem, InboundItem
from domain.proposal import NONE_OF_THESE
from domain.values import Frozen
from evals.items import Item
from evals.recorded import Row
from policies.cases import CasePolicy
from policies.load import Workflow, cases_of
from policies.next_action import decide_action
from policies.situations import WATCH, Situation, situate

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands where an event needs a time; nothing here depends on it."""

DELTA = 0.05
"""Chance that the upper limit of the misroute rate is broken."""


class ActionMeasures(Frozen):
    """Figures on labelled events; an action that people would have to look at is labelled `none_of_these`.

    Attributes:
        alone: decided without a person, by a rule or by proven confidence; `wrong` of them against the label.
        misroute_bound: upper limit of the share of those that are wrong, at 95 % confidence.
        proposed_right: of what goes to people, the share whose preset action is the right one.
        irreversible: events on which an action that cannot be undone, or that costs something, is the
            one to take; `without_approval` counts those taken without a person, and must be 0.
    """

    n: int
    alone: int
    share: Rate
    wrong: int
    misroutes: Rate
    misroute_bound: float
    to_people: int
    proposed_right: Rate
    irreversible: int
    without_approval: int
    wrongly_done: tuple[str, ...]


def situation_of(policy: CasePolicy, item: Item) -> Situation:
    """A labelled event in its case: `state`, `event` and counts stand in its fields, beside what is said.

    What the event's kind does not bring was said before, and belongs to the case; what no event brings is not said.
    """
    event, state = item.fields.get("event", ""), item.fields.get("state", policy.initial)
    own = policy.events[event].fields if event in policy.events else {}
    counts = {name: int(value) for name, value in item.fields.items() if name.startswith(("seen_", "done_"))}
    said_before = policy.input.fields.keys() - {"event", "state", *own, *counts}
    before = {name: value for name, value in item.fields.items() if name in said_before}
    case = Case(
        key=item.id,
        policy=policy.name,
        state=state if state in policy.states else policy.initial,
        version=1,
        due_at=NO_TIME if event == DEADLINE else None,
        values=before,
        seen={name.removeprefix("seen_"): count for name, count in counts.items() if name.startswith("seen_")},
        done={name.removeprefix("done_"): count for name, count in counts.items() if name.startswith("done_")},
    )
    head, _, said = item.text.partition("\n")
    inbound = InboundItem(
        source=WATCH if event == DEADLINE else "evals",
        external_id=item.id,
        received_at=NO_TIME,
        text=said or head,
        fields={**item.fields, "due_at": NO_TIME.isoformat()},
        other={"case": item.id},
    )
    return situate(policy, ClaimedItem(item_id=item.id, policy=policy.name, item=inbound), case)


def decided(workflow: Workflow, rows: Iterable[Row]) -> list[tuple[Row, Decision]]:
    """Each row's decision, as the flow makes it; no audit draws from labelled events."""
    cases = cases_of(workflow)
    terms = workflow.terms.model_copy(update={"audit_share": 0})
    return [
        (row, decide_action(cases, terms, situation_of(cases, row.item), row.proposal, None, NO_TIME)) for row in rows
    ]


def measure_actions(workflow: Workflow, rows: Iterable[Row]) -> ActionMeasures:
    """The figures on rows of a run."""
    cases = cases_of(workflow)
    made = decided(workflow, rows)
    alone = [(row, one) for row, one in made if not one.waits]
    wrong = [row.item.id for row, one in alone if (one.route or NONE_OF_THESE) != row.item.label]
    left = [(row, one) for row, one in made if one.waits]
    right = sum((one.plan.action if one.plan else NONE_OF_THESE) == row.item.label for row, one in left)
    grave = {name for name, action in cases.actions.items() if action.irreversible or action.cost is not None}
    return ActionMeasures(
        n=len(made),
        alone=len(alone),
        share=rate(len(alone), len(made)),
        wrong=len(wrong),
        misroutes=rate(len(wrong), len(alone)),
        misroute_bound=upper_limit(len(wrong), len(alone), DELTA),
        to_people=len(left),
        proposed_right=rate(right, len(left)),
        irreversible=sum(row.item.label in grave for row, _ in made),
        without_approval=sum(one.route in grave and one.reason is not Reason.APPROVED for _, one in alone),
        wrongly_done=tuple(wrong),
    )


def print_actions(measures: ActionMeasures, console: Console) -> None:
    """The figures, in the terminal."""
    lines = [
        f"decided automatically: {measures.alone} of {measures.n} ({_percent(measures.share)}), by rules or alone",
        (
            f"of those wrong: {measures.wrong}, {_percent(measures.misroutes)}; "
            f"at most {100 * measures.misroute_bound:.1f} % with {1 - DELTA:.0%} confidence"
        ),
        f"to people: {measures.to_people}, with the right action preselected in {_percent(measures.proposed_right)}",
        f"irreversible or costly events: {measures.irreversible}",
        f"irreversible actions without approval: {measures.without_approval}",
    ]
    if measures.wrongly_done:
        lines.append(f"wrongly done: {', '.join(measures.wrongly_done)}")
    console.print(Text("\n" + "\n".join(lines)))


def _percent(share: Rate) -> str:
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f} %)"
