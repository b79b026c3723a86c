"""Renders what a reviewer reads above the form about an event of a case, in Markdown."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.decision import Decision
from domain.explain import BECAUSE
from policies.cases import CasePolicy
from policies.situations import Situation
from prompts.render import ENVIRONMENT
from prompts.review import code_block, on_one_line


def action_form(
    policy: CasePolicy,
    met: Situation,
    held: Decision,
    choices: Mapping[str, str],
    history: Sequence[str],
    due_at: datetime,
    notice: str,
) -> str:
    """The event in its case, what is proposed with the evidence of each value, and why a person is asked.

    All that strangers wrote stands in code, which nothing in it can close.
    """
    plan, state = held.plan, policy.states[met.case.state]
    told = (
        [
            (name, f"`{on_one_line(one.value)}`", f"`{on_one_line(one.evidence)}`")
            for name, one in plan.parameters.items()
        ]
        if plan
        else []
    )
    message = met.evidence["message"]
    return ENVIRONMENT.get_template("review_form/action.jinja").render(
        notice=notice,
        case=f"`{on_one_line(met.case.key)}`" if met.case.key else "unknown",
        state=met.case.state,
        state_told=state.description,
        owner=state.owner,
        version=met.case.version,
        event=f"`{on_one_line(met.event)}`",
        message=code_block(message),
        blind=held.blind,
        action=plan.action if plan else None,
        to=plan.to if plan else None,
        parameters=told,
        people=plan.approvals if plan else 0,
        faults=plan.faults if plan else (),
        why=[BECAUSE[reason] for reason in dict.fromkeys((held.reason, *held.holds))],
        history=[on_one_line(line) for line in history],
        choices=choices,
        item_id=met.claimed.item_id,
        due_at=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )
