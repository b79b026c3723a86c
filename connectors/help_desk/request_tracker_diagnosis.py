"""What Request Tracker tells of itself, of the queues that are written to, and of their custom fields.

Source: docs.bestpractical.com, "RT::REST2" of RT 5; RT has no limits of its own and tells no rights.
"""

from collections.abc import Sequence
from urllib.parse import quote

from pydantic import Field

from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, ahead_s, lacking, look, refused, untold, warning, well
from connectors.help_desk.request_tracker_api import NAME, Queue
from connectors.help_desk.request_tracker_tickets import OWN, slug
from connectors.http_outcomes import Headed, HttpApi


class About(Headed):
    """Answer to `rt`."""

    version: str = Field(alias="Version")


async def diagnosed(api: HttpApi, uses: Sequence[Use]) -> Diagnosis:
    """How it stands to what policies write there."""
    about = await look(api, About, "/rt")
    if isinstance(about, Finding):
        return refused(about, NAME)
    findings = [well(Aspect.ANSWERS, f"{NAME} {about.version} answers"), well(Aspect.KEY, "the key is accepted")]
    if not about.version.startswith("5."):
        findings.append(warning(Aspect.SETTINGS, f"version {about.version} was never tried", "Use Request Tracker 5"))
    findings += [await _queue(api, use) for use in uses]
    return Diagnosis(tuple(dict.fromkeys(findings)), ahead_s(about))


async def _queue(api: HttpApi, use: Use) -> Finding:
    name = use.fixed.get("queue") or use.options.get("queue", "")
    if not name:
        return untold(Aspect.FIELDS, "which queue is written to is known only when a message comes")
    queue = await look(api, Queue, f"/queue/{quote(name, safe='')}")
    if isinstance(queue, Finding):
        mend = f"Make the queue '{name}', give the user the right to see it, or name another in the policy"
        return Finding(Aspect.FIELDS, queue.grade, f"{queue.says}, asking for queue '{name}'", mend)
    own = {use.options[option] for option in ("key_field", "operation_field") if option in use.options}
    there = {slug(field.name) for field in queue.fields}
    wanted = {slug(field) for field in (use.fields - OWN) | own}
    mend = "Apply custom fields of these names to the queue, and let the user see and modify them"
    return lacking(f"queue '{name}'", wanted, there, mend)
