"""Renders what a reviewer reads above the form about an event of a case, in Markdown."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.case import Plan
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
    plans: Mapping[str, Plan],
    history: Sequence[str],
    due_at: datetime,
    notice: str,
) -> str:
    """The event in its case, what is proposed with the evidence of each value, and why a person is asked.

    Each choice is shown with what it would do where nothing is filled in (`plans`), not the proposed one alone.
    All that strangers wrote stands in code, which nothing in it can close.
    """
    plan, state = held.plan, policy.machine.state(met.case.state)
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
        people=_people(policy, held, plan) if plan else 0,
        faults=plan.faults if plan else (),
        why=[BECAUSE[reason] for reason in dict.fromkeys((held.reason, *held.holds))],
        history=[on_one_line(line) for line in history],
        choices={name: "; ".join((told, *_means(policy, held, plans.get(name)))) for name, told in choices.items()},
        item_id=met.claimed.item_id,
        due_at=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )


def _people(policy: CasePolicy, held: Decision, made: Plan) -> int:
    """How many must agree to a plan."""
    return max(made.approvals, 1 if held.blind else policy.review.people)


def _means(policy: CasePolicy, held: Decision, made: Plan | None) -> list[str]:
    """What an action would do, in words."""
    if made is None:
        return []
    told = [f"leads to {made.to}"] if made.to != made.state else []
    if made.parameters:
        filled = [f"{name} `{on_one_line(one.value)}`" for name, one in made.parameters.items()]
        told.append(f"with {', '.join(filled)}")
    if made.cost is not None:
        told.append(f"costs {made.cost}" if made.cost else "what it costs is not known")
    if _people(policy, held, made) > 1:
        told.append("two different people must agree to it")
    return [*told, *[f"**against it:** {fault}" for fault in made.faults]]
