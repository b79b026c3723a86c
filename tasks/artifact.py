"""Leaves what a run came to beside it in Prefect's UI."""

import re
from collections.abc import Iterable, Sequence

from prefect.artifacts import acreate_markdown_artifact
from prefect.context import FlowRunContext


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; its first column are names, the others numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


async def leave(name: str, markdown: str) -> None:
    """Keep a text as an artifact of the run, the newest of its name first; nothing outside of runs."""
    if FlowRunContext.get() is not None:
        await acreate_markdown_artifact(markdown, key=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))
