"""Renders what the model is asked about fields of a text."""

from collections.abc import Sequence

from domain.values import digest
from policies.model import Policy
from prompts.render import ENVIRONMENT, prompt_sources


def extraction_turns(policy: Policy, text: str, wanted: Sequence[str]) -> list[tuple[str, str]]:
    """What the model is sent about the `wanted` fields, as (role, content).

    Raises:
        ValueError: the policy extracts nothing.
    """
    if policy.extract is None:
        raise ValueError(f"{policy.name} has no section 'extract'")
    prompt = policy.extract.prompt
    known = {
        "description": policy.description,
        "fields": {name: policy.extract.fields[name] for name in wanted},
        "kinds": {name: policy.input.fields[name].value for name in wanted},
    }
    system = ENVIRONMENT.get_template(f"{prompt}/system.jinja").render(known).strip()
    return [("system", system), ("user", ENVIRONMENT.get_template(f"{prompt}/message.jinja").render(text=text).strip())]


def extraction_fingerprint(policy: Policy) -> str:
    """Digest of what an extraction depends on beside the text and the model: the section, the types, the prompt."""
    if policy.extract is None:
        return ""
    section = policy.extract.model_dump(mode="json", exclude={"threshold"})
    kinds = {name: policy.input.fields[name].value for name in policy.extract.fields}
    conventions = (policy.input.region, policy.input.date_order)
    masked = [policy.privacy.mask] if policy.privacy.mask else []
    return digest(section, kinds, conventions, policy.description, prompt_sources(policy.extract.prompt), *masked)
