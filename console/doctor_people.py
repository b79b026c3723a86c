"""Looks at who counts where a policy wants several people to agree."""

from connectors.settings import Settings
from console.doctor_report import Check, warning, well, wrong
from policies.load import Workflow


def check_people(settings: Settings, workflow: Workflow) -> list[Check]:
    """Whether one person could agree for two, and whether those who need links get any; nothing where one is enough."""
    policy, links = workflow.policy, "set INTERLOCK_LINK_SECRET and INTERLOCK_PUBLIC_URL"
    if not policy.several_agree:
        return []
    if policy.review.proven == "link":
        if settings.link_secret.get_secret_value() and settings.public_url:
            return [well("people", policy.name, "where several must agree, each comes by a link")]
        says = "several must agree by links of their own, and none are made: nobody can"
        return [wrong("people", policy.name, says, links.capitalize())]
    typed = "typed names of the people file count" if policy.knows_reviewers else "typed names count as they are given"
    says = f"where several must agree, {typed}: one person could give two"
    return [warning("people", policy.name, says, f"If that must not be, say 'review: {{proven: link}}' and {links}")]
