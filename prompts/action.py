"""Renders what the agent is sent about an event in its case."""

from collections.abc import Mapping, Sequence

from policies.load import Workflow
from prompts.render import ENVIRONMENT, conversation


def case_conversation(
    workflow: Workflow,
    text: str,
    neighbours: Sequence[tuple[str, str]],
    case: str,
    version: int,
    values: Mapping[str, str],
    possible: Sequence[str],
) -> tuple[str, str]:
    """The instructions, which are constant, and the request: answered examples, then the event and its case.

    Args:
        values: by where it stands, everything that parameters may be taken from, the text aside.
        possible: the actions that may be chosen.
    """
    (_, instructions), *turns = conversation(workflow, text, neighbours)
    told = {"case": case, "version": version, "values": values, "possible": possible}
    about = ENVIRONMENT.get_template("act/case.jinja").render(told).strip()
    examples = "\n".join(said for _, said in turns[:-1])
    lead = f"Examples, each with the right label:\n{examples}\n\nNow decide about this one:\n" if examples else ""
    return instructions, f"{lead}{turns[-1][1]}\n{about}"
