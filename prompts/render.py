"""Renders prompts from a policy, an item's text and its neighbours; fingerprints them."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined, Template

from domain.proposal import NONE_OF_THESE
from domain.values import digest
from policies.load import Workflow

HERE = Path(__file__).parent
LONGEST_EXAMPLE = 150
"""Characters of an example that are shown; the item itself is never cut."""

_FENCE = re.compile(r"<\s*/?\s*message\s*>", re.IGNORECASE)


def _fenced(text: str) -> str:
    """`text` without anything that could close its fence."""
    return _FENCE.sub("[message]", text)


SOURCES = {f"{path.parent.name}/{path.name}": path.read_text("utf-8") for path in sorted(HERE.glob("*/*.jinja"))}
"""All prompts by name, read once: a run asks with the very prompt whose fingerprint it gives."""

ENVIRONMENT = Environment(
    loader=DictLoader(SOURCES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701  prompts are plain text
)
ENVIRONMENT.filters["fenced"] = _fenced


def conversation(workflow: Workflow, text: str, neighbours: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What the model is sent, as (role, content).

    The constant part comes first, so that endpoints evaluate it once; then the nearest
    labelled examples as turns that were answered, the nearest last; then the item. What the policy masks is
    masked in both.

    Args:
        neighbours: (text, label) of each example.
    """
    prompt, mask = workflow.policy.classifier.prompt, workflow.policy.masking()
    shown = mask.hide(text)
    turns = [("system", _system(workflow))]
    for example, label in neighbours:
        turns.append(("user", _render(prompt, "message", text=_shortened(mask.hide(example)))))
        turns.append(("assistant", _render(prompt, "answer", label=label)))
    return [*turns, ("user", _render(prompt, "message", text=shown))]


def _system(workflow: Workflow) -> str:
    policy = workflow.policy
    known = {"description": policy.description, "routes": policy.routes, "none_of_these": NONE_OF_THESE}
    known |= {"actions": workflow.cases.actions} if workflow.cases else {}
    return _render(policy.classifier.prompt, "system", **known)


def _render(prompt: str, part: str, **values: object) -> str:
    return _template(f"{prompt}/{part}.jinja").render(values).strip()


@cache
def _template(name: str) -> Template:
    template = ENVIRONMENT.get_template(name)
    template.globals = {**template.globals}  # they are copied at each rendering: of a chain of mappings, slowly
    return template


def _shortened(example: str) -> str:
    return example if len(example) <= LONGEST_EXAMPLE else example[:LONGEST_EXAMPLE].rsplit(" ", 1)[0] + " …"


def classifier_parts(workflow: Workflow, model: str, index: str) -> dict[str, str]:
    """Fingerprints of all that a confidence depends on, part by part.

    A calibration holds for one set of them; change any and it must be made again. Where the
    examples serve alone, only `VOTER_PARTS` count.
    """
    classifier = workflow.policy.classifier
    return {
        "model": model,
        "prompt": digest(
            prompt_sources(classifier.prompt),
            _system(workflow),
            classifier.neighbours,
            LONGEST_EXAMPLE,
            classifier.samples,
            *([workflow.policy.privacy.mask] if workflow.policy.privacy.mask else []),
            *([workflow.cases.model_dump(mode="json", include={"agent", "look_ups"})] if workflow.cases else []),
        ),
        "labels": digest(workflow.policy.labels),
        "examples": workflow.examples_fingerprint,
        "index": index,
    }


VOTER_PARTS = ("labels", "examples", "index")
"""What the examples' vote depends on."""


@cache
def prompt_sources(prompt: str) -> str:
    """Digest of a prompt's files."""
    return digest(*[text for name, text in SOURCES.items() if name.startswith(f"{prompt}/")])
